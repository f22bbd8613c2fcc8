// recvtty SOCKET: listens on the unix socket, takes one terminal from it by
// SCM_RIGHTS, then copies the terminal's output to stdout and stdin to the terminal.
// recvtty --pidfd SOCKET: takes a pidfd and prints the pid it stands for.
// recvtty --datagram SOCKET: prints the first datagram that arrives.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) { perror(what); return 1; }

static int receive(int connection) {
	char name[4096], control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec part = {name, sizeof name - 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) return -1;
	if (c->cmsg_len != CMSG_LEN(sizeof(int))) { fprintf(stderr, "not exactly one descriptor\n"); return -1; }
	int fd;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static int print_pid(int fd) {
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "Pid:", 4)) { printf("%ld\n", strtol(line + 4, NULL, 10)); return 0; }
	fprintf(stderr, "not a pidfd\n");
	return 1;
}

static int print_datagram(const struct sockaddr_un *address) {
	char text[4096];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) return fail("bind");
	ssize_t n = recv(fd, text, sizeof text, 0);
	return n > 0 && write(1, text, (size_t)n) == n ? 0 : 1;
}

static int copy(int from, int to) {
	char buffer[4096];
	ssize_t n = read(from, buffer, sizeof buffer);
	if (n <= 0) return 0;
	for (ssize_t done = 0, w; done < n; done += w)
		if ((w = write(to, buffer + done, (size_t)(n - done))) < 0) return 0;
	return 1;
}

int main(int argc, char **argv) {
	int pidfd = argc > 1 && !strcmp(argv[1], "--pidfd"), datagram = argc > 1 && !strcmp(argv[1], "--datagram");
	if (argc != 2 + (pidfd || datagram)) { fprintf(stderr, "usage: recvtty [--pidfd|--datagram] SOCKET\n"); return 2; }
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[argc - 1]);
	if (datagram) return print_datagram(&address);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0) return fail("listen");
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0) return fail("accept");
	int fd = receive(connection);
	if (fd < 0) return fail("no descriptor received");
	if (pidfd) return print_pid(fd);
	struct pollfd watched[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
	for (;;) {
		if (poll(watched, 2, -1) < 0 && errno != EINTR) return fail("poll");
		if (watched[0].revents && !copy(fd, 1)) return 0;
		if (watched[1].revents && !copy(0, fd)) watched[1].fd = -1;
	}
}
