// The upstream of the proxies: echo PORT. It sends back whatever comes, through one
// epoll loop, and ends a connection when the proxy does.
#include "bench.h"

enum { ROOM = 256 << 10 };

struct connection {
	int fd, start, end; // of data
	char *data;         // what the kernel did not take; 0: nothing
};

static char buffer[ROOM];

static int flush(struct connection *c) {
	while (c->data) {
		ssize_t n = send(c->fd, c->data + c->start, c->end - c->start, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->start += n;
		if (c->start == c->end) {
			free(c->data);
			c->data = 0;
		}
	}
	return 1;
}

// serve says -1 when the connection is over.
static int serve(struct connection *c) {
	for (;;) {
		int flushed = flush(c);
		if (flushed <= 0)
			return flushed;
		ssize_t n = read(c->fd, buffer, ROOM);
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		ssize_t sent = send(c->fd, buffer, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return -1;
		if (sent < 0)
			sent = 0;
		if (sent < n) {
			c->data = malloc(n - sent);
			c->start = 0, c->end = n - sent;
			memcpy(c->data, buffer + sent, n - sent);
			return 0;
		}
		if (n < ROOM)
			return 0; // epoll(7): a short read has emptied the queue
	}
}

int main(int argc, char **argv) {
	if (argc != 2)
		return 2;
	struct connection listener = {.fd = listen_on(atoi(argv[1]))};
	int ep = epoll_create1(0);
	struct epoll_event events[512];
	epoll_add(ep, listener.fd, EPOLLIN, &listener);
	for (;;) {
		int n = epoll_some(ep, events, 512);
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			if (c == &listener) {
				int fd = accept4(listener.fd, 0, 0, SOCK_NONBLOCK), one = 1;
				if (fd < 0)
					continue;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				c = calloc(1, sizeof *c);
				c->fd = fd;
				epoll_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
				continue;
			}
			if (serve(c) < 0) {
				close(c->fd);
				free(c->data);
				free(c);
			}
		}
	}
}
