// The reference for accept, hello, close: accept drain|read PORT
//
// drain: accept until there is nothing, add each connection to epoll, read the
// hello at its event, close. The loop that most servers have.
// read: accept and read at once, in short batches; add to epoll only what has
// nothing to be read yet. The least that a server can do.
#include "bench.h"

enum { BATCH = 16 };
static char buffer[64 << 10];

static void finish(int ep, int fd, int added) {
	ssize_t n = read(fd, buffer, sizeof buffer);
	if (n < 0 && errno == EAGAIN) {
		if (!added)
			epoll_add(ep, fd, EPOLLIN, (void *)(intptr_t)fd);
		return;
	}
	close(fd);
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	int at_once = !strcmp(argv[1], "read");
	int listener = listen_on(atoi(argv[2])), ep = epoll_create1(0);
	struct epoll_event events[512];
	epoll_add(ep, listener, EPOLLIN, (void *)(intptr_t)listener);
	for (;;) {
		int n = epoll_some(ep, events, 512);
		for (int i = 0; i < n; i++) {
			int fd = (intptr_t)events[i].data.ptr;
			if (fd != listener) {
				finish(ep, fd, 1);
				continue;
			}
			for (int left = BATCH; left > 0 || !at_once; left--) {
				fd = accept4(listener, 0, 0, SOCK_NONBLOCK);
				if (fd < 0)
					break;
				if (at_once)
					finish(ep, fd, 0);
				else
					epoll_add(ep, fd, EPOLLIN, (void *)(intptr_t)fd);
			}
		}
	}
}
