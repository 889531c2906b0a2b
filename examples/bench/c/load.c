// The load generator: load MODE PORT HELLO COUNT SECONDS [N]
//
// Every connection sends the ClientHello in the file HELLO, and is closed with a
// reset, so that no port stays in TIME_WAIT. No mode makes more than COUNT
// connections or goes on for longer than SECONDS.
//
//   close    N at a time; each waits for the server to close
//   route    N at a time; each waits for the echo of its hello
//   burst    queue COUNT connections, say "queued", wait for a line on stdin,
//            then wait for the server to close them all
//   echo     N connections, each with 256 KiB on their way in writes of 64 KiB
//   idle     open COUNT connections, wait for their echoes, say "open", wait for a
//            line on stdin
//   latency  N new connections per second; from connect to the first byte
//
// One line of results: name=value. CPU is this process's.
#include "bench.h"
#include <poll.h>
#include <sys/resource.h>

static struct sockaddr_in server;
static char hello[16 << 10], buffer[256 << 10];
static int hello_size;
static int64_t deadline; // CLOCK_MONOTONIC

static int dial(int flags) {
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0), one = 1;
	struct linger reset = {1, 0};
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
		die("connect");
	return fd;
}

static int dial_and_greet(void) {
	int fd = dial(0);
	if (send(fd, hello, hello_size, MSG_NOSIGNAL) != hello_size)
		die("send hello");
	return fd;
}

static void await_end(int fd) {
	ssize_t n;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		;
	if (n < 0)
		die("read the end");
}

static void await_echo(int fd) {
	for (int got = 0; got < hello_size;) {
		ssize_t n = read(fd, buffer, hello_size - got);
		if (n <= 0)
			die("read the echo");
		got += n;
	}
}

static int closes(int count, int at_a_time, void (*await)(int)) {
	int *fds = calloc(at_a_time, sizeof *fds), started = 0, done = 0;
	while (started < at_a_time && started < count)
		fds[started++] = dial_and_greet();
	while (done < started) {
		int *slot = &fds[done % at_a_time];
		await(*slot);
		close(*slot);
		done++;
		if (started < count && clock_ns(CLOCK_MONOTONIC) < deadline) {
			*slot = dial_and_greet();
			started++;
		}
	}
	return done;
}

static void rendezvous(const char *say) {
	puts(say);
	fflush(stdout);
	if (!fgets(buffer, sizeof buffer, stdin))
		exit(1);
}

static int burst(int count) {
	int *fds = calloc(count, sizeof *fds);
	for (int i = 0; i < count; i++)
		fds[i] = dial_and_greet();
	rendezvous("queued");
	for (int i = count - 1; i >= 0; i--) // the last first: one wait for nearly all
		await_end(fds[i]);
	puts("closed");
	fflush(stdout);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return count;
}

static int idle(int count) {
	int *fds = calloc(count, sizeof *fds);
	for (int i = 0; i < count; i++) {
		fds[i] = dial_and_greet();
		await_echo(fds[i]);
	}
	rendezvous("open");
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return count;
}

static int64_t echo(int n) {
	enum { FLIGHT = 256 << 10, WRITE = 64 << 10 };
	static char data[WRITE];
	struct pollfd *p = calloc(n, sizeof *p);
	int64_t *flight = calloc(n, sizeof *flight), total = 0;
	for (int i = 0; i < n; i++) {
		p[i].fd = dial_and_greet();
		await_echo(p[i].fd);
		fcntl(p[i].fd, F_SETFL, O_NONBLOCK);
	}
	while (clock_ns(CLOCK_MONOTONIC) < deadline) {
		for (int i = 0; i < n; i++)
			p[i].events = POLLIN | (flight[i] + WRITE <= FLIGHT ? POLLOUT : 0);
		if (poll(p, n, 1000) <= 0)
			die("poll");
		for (int i = 0; i < n; i++) {
			if (p[i].revents & POLLIN) {
				ssize_t got = read(p[i].fd, buffer, sizeof buffer);
				if (got <= 0)
					die("read");
				flight[i] -= got;
				total += got;
			}
			if (p[i].revents & POLLOUT && flight[i] + WRITE <= FLIGHT) {
				ssize_t sent = send(p[i].fd, data, WRITE, MSG_NOSIGNAL);
				if (sent < 0 && errno != EAGAIN)
					die("send");
				if (sent > 0)
					flight[i] += sent;
			}
		}
	}
	return total;
}

static int ascending(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

// latency opens connections at fixed times, late or not, so that a slow answer does
// not keep others from being asked for (no coordinated omission).
static int latency(int count, int per_second) {
	enum { FDS = 65536 };
	static int64_t due[FDS];
	static int got[FDS];
	int64_t *took = calloc(count, sizeof *took), interval = 1000000000 / per_second;
	int64_t next = clock_ns(CLOCK_MONOTONIC);
	int started = 0, done = 0, ep = epoll_create1(0);
	struct epoll_event events[64];
	while (done < count) {
		int64_t now = clock_ns(CLOCK_MONOTONIC);
		if (now > deadline + 1000000000)
			break; // what has not come by now does not come
		while (started < count && now < deadline && next <= now) {
			int fd = dial(0);
			due[fd] = next;
			got[fd] = 0;
			if (send(fd, hello, hello_size, MSG_NOSIGNAL) != hello_size)
				die("send hello");
			epoll_add(ep, fd, EPOLLIN, (void *)(intptr_t)fd);
			started++;
			next += interval;
			now = clock_ns(CLOCK_MONOTONIC);
		}
		if (done == started && now >= deadline)
			break;
		int64_t left = next > now ? next - now : 0;
		struct timespec wait = {0, left};
		if (started == count || now >= deadline)
			wait.tv_nsec = 10000000;
		int n = epoll_pwait2(ep, events, 64, &wait, 0);
		for (int i = 0; i < n; i++) {
			int fd = (intptr_t)events[i].data.ptr;
			ssize_t r = read(fd, buffer, sizeof buffer);
			if (r <= 0)
				die("read the echo");
			if (got[fd] == 0)
				took[done++] = clock_ns(CLOCK_MONOTONIC) - due[fd];
			got[fd] += r;
			if (got[fd] >= hello_size)
				close(fd);
		}
	}
	if (done < started)
		die("lost connections");
	qsort(took, done, sizeof *took, ascending);
	printf("p50_ns=%ld p99_ns=%ld p999_ns=%ld ", (long)took[done / 2], (long)took[done * 99L / 100], (long)took[done * 999L / 1000]);
	return done;
}

int main(int argc, char **argv) {
	if (argc < 6)
		return 2;
	const char *mode = argv[1];
	int count = atoi(argv[4]), n = argc > 6 ? atoi(argv[6]) : 1;
	FILE *f = fopen(argv[3], "rb");
	if (!f || (hello_size = fread(hello, 1, sizeof hello, f)) <= 0)
		die(argv[3]);
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	server = loopback(atoi(argv[2]));
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	deadline = start + (int64_t)(atof(argv[5]) * 1e9);

	int64_t connections = 0, bytes = 0;
	if (!strcmp(mode, "close"))
		connections = closes(count, n, await_end);
	else if (!strcmp(mode, "route"))
		connections = closes(count, n, await_echo);
	else if (!strcmp(mode, "burst"))
		connections = burst(count);
	else if (!strcmp(mode, "echo"))
		bytes = echo(n);
	else if (!strcmp(mode, "idle"))
		connections = idle(count);
	else if (!strcmp(mode, "latency"))
		connections = latency(count, n);
	else
		return 2;
	printf("connections=%ld bytes=%ld wall_ns=%ld cpu_ns=%ld\n", (long)connections, (long)bytes,
	       (long)(clock_ns(CLOCK_MONOTONIC) - start), (long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}
