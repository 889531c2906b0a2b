// The reference for routing: proxy PORT NAME UPSTREAM_PORT
//
// An SNI proxy that does the least: read right after accept, send right after
// connect, one buffer of 64 KiB, memory for a connection only while a kernel buffer
// is full. A connection ends in both directions at once, and a reset is not told
// from an end: less than a proxy has to do, which makes it a limit.
#include "bench.h"

enum { BATCH = 16, ROOM = 64 << 10, HELLO = 16 << 10 };

struct side {
	int fd;
	struct side *other; // 0: has no upstream yet
	int start, end;     // of data
	char *data;         // what the kernel did not take; 0: nothing
	struct side *next;  // among the dead
};

static char buffer[ROOM];
static int ep;
static struct sockaddr_in upstream;
static const char *name;
static struct side *dead; // freed behind the batch: an event of it may come yet

static void end(struct side *s) {
	for (int i = 0; i < 2 && s; i++, s = s->other) {
		if (s->fd < 0)
			return;
		close(s->fd);
		s->fd = -1;
		s->next = dead;
		dead = s;
	}
}

static void bury(void) {
	while (dead) {
		struct side *s = dead;
		dead = s->next;
		free(s->data);
		free(s);
	}
}

// put sends n bytes of buffer, and keeps what the kernel does not take.
static int put(struct side *to, ssize_t n) {
	ssize_t sent = send(to->fd, buffer, n, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN)
			return -1;
		sent = 0;
	}
	if (sent < n) {
		to->data = malloc(n - sent);
		to->start = 0, to->end = n - sent;
		memcpy(to->data, buffer + sent, n - sent);
	}
	return 0;
}

static int flush(struct side *s) {
	while (s->data) {
		ssize_t n = send(s->fd, s->data + s->start, s->end - s->start, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		s->start += n;
		if (s->start == s->end) {
			free(s->data);
			s->data = 0;
		}
	}
	return 0;
}

// pump moves what has come at from. -1: the connection is over.
static int pump(struct side *from) {
	while (!from->other->data) {
		ssize_t n = read(from->fd, buffer, ROOM);
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		if (put(from->other, n))
			return -1;
		if (n < ROOM)
			return 0;
	}
	return 0;
}

// server_name finds the name in a ClientHello in one record (RFC 8446 4.1.2,
// RFC 6066 3), and its length, or -1.
static int server_name(const unsigned char *p, int n, const char **found) {
	const unsigned char *limit = p + n;
	if (n < 44 || p[0] != 22 || p[5] != 1)
		return -1;
	p += 43;
	p += 1 + p[0];
	if (p + 2 > limit)
		return -1;
	p += 2 + (p[0] << 8 | p[1]);
	if (p + 1 > limit)
		return -1;
	p += 1 + p[0] + 2;
	while (p + 4 <= limit) {
		int type = p[0] << 8 | p[1], length = p[2] << 8 | p[3];
		p += 4;
		if (p + length > limit)
			return -1;
		if (type == 0 && length >= 5) {
			*found = (const char *)p + 5;
			int size = p[3] << 8 | p[4];
			return size <= length - 5 ? size : -1;
		}
		p += length;
	}
	return -1;
}

// dial reads the hello of a new connection and sends it to the upstream of its name.
static void dial(struct side *down) {
	ssize_t n = read(down->fd, buffer, HELLO);
	if (n < 0 && errno == EAGAIN)
		return;
	const char *found = "";
	int length = n <= 0 ? -1 : server_name((unsigned char *)buffer, n, &found);
	if (length != (int)strlen(name) || memcmp(found, name, length)) {
		end(down);
		return;
	}
	struct side *up = calloc(1, sizeof *up);
	int one = 1;
	up->other = down, down->other = up;
	up->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (up->fd < 0)
		die("socket");
	setsockopt(up->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(up->fd, (struct sockaddr *)&upstream, sizeof upstream) && errno != EINPROGRESS) {
		end(down);
		return;
	}
	epoll_add(ep, up->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, up);
	if (put(up, n))
		end(down);
}

static void on_event(struct side *s, uint32_t events) {
	if (s->fd < 0)
		return;
	if (!s->other) {
		dial(s);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP)) {
		end(s);
		return;
	}
	if (s->data && events & EPOLLOUT) {
		if (flush(s) || (!s->data && pump(s->other))) {
			end(s);
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLRDHUP) && pump(s))
		end(s);
}

int main(int argc, char **argv) {
	if (argc != 4)
		return 2;
	struct side listener = {.fd = listen_on(atoi(argv[1]))};
	name = argv[2];
	upstream = loopback(atoi(argv[3]));
	ep = epoll_create1(0);
	struct epoll_event events[512];
	epoll_add(ep, listener.fd, EPOLLIN, &listener);
	for (;;) {
		int n = epoll_some(ep, events, 512);
		for (int i = 0; i < n; i++) {
			struct side *s = events[i].data.ptr;
			if (s != &listener) {
				on_event(s, events[i].events);
				continue;
			}
			for (int left = BATCH; left > 0; left--) {
				int fd = accept4(listener.fd, 0, 0, SOCK_NONBLOCK), one = 1;
				if (fd < 0)
					break;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				struct side *down = calloc(1, sizeof *down);
				down->fd = fd;
				dial(down);
				if (down->fd >= 0)
					epoll_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, down);
			}
		}
		bury();
	}
}
