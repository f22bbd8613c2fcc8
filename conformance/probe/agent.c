// agent SOCKET [CALL=ANSWER…]: a seccomp agent. Takes any number of containers on the unix socket and prints, a line each,
// what it gets: `state JSON`, `fds N`, `closed` (the runtime's end of the connection), `call NAME` for every call that it
// answers, and `gone` when nobody is left under a filter.
// ANSWER is what becomes of CALL: `return:N`, `errno:N`, `continue`, `die` (the agent ends instead). Any other call: continue.
// agent --refuse SOCKET: closes every connection before anything is read.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <signal.h>

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1
#endif

static const struct { int number; const char *name; } calls[] = {
	{SYS_write, "write"}, {SYS_writev, "writev"}, {SYS_sendmsg, "sendmsg"}, {SYS_recvmsg, "recvmsg"}, {SYS_close, "close"},
	{SYS_mkdirat, "mkdirat"}, {SYS_prctl, "prctl"}, {SYS_execve, "execve"}, {SYS_capset, "capset"}, {SYS_setresuid, "setresuid"},
	{SYS_openat, "openat"}, {SYS_accept4, "accept4"}, {SYS_exit_group, "exit_group"},
#ifdef SYS_mkdir
	{SYS_mkdir, "mkdir"},
#endif
};

static const char *call_name(int number) {
	static char other[16];
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].number == number) return calls[i].name;
	snprintf(other, sizeof other, "%d", number);
	return other;
}

static const char *answer_for(char **answers, const char *name) {
	size_t length = strlen(name);
	for (; *answers; answers++)
		if (!strncmp(*answers, name, length) && (*answers)[length] == '=') return *answers + length + 1;
	return "continue";
}

static int fail(const char *what) { perror(what); exit(1); }

// Reads to the end of the connection, since the text may come in several pieces; the descriptors come with the first.
static int receive(int connection) {
	char state[65536], control[CMSG_SPACE(16 * sizeof(int))];
	size_t have = 0;
	struct timeval patience = {2, 0}; // for a runtime that never closes its end
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	int listener = -1, count = 0;
	ssize_t n = 1;
	while (n > 0 && have < sizeof state - 1) {
		struct iovec part = {state + have, sizeof state - 1 - have};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
		if (n < 0) break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
				count += (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
				memcpy(&listener, CMSG_DATA(c), sizeof listener);
			}
		have += (size_t)n;
	}
	state[have] = 0;
	close(connection);
	if (count > 0) printf("state %s\nfds %d\n", state, count);
	if (n == 0) printf("closed\n");
	return listener;
}

static void answer(int listener, char **answers) {
	struct seccomp_notif request;
	struct seccomp_notif_resp response;
	memset(&request, 0, sizeof request);
	memset(&response, 0, sizeof response);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) return; // the caller was killed meanwhile
	const char *name = call_name(request.data.nr), *how = answer_for(answers, name);
	printf("call %s\n", name);
	if (!strcmp(how, "die")) exit(0);
	response.id = request.id;
	if (!strncmp(how, "return:", 7)) response.val = atoll(how + 7);
	else if (!strncmp(how, "errno:", 6)) response.error = -atoi(how + 6);
	else response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv) {
	int refuse = argc > 1 && !strcmp(argv[1], "--refuse");
	if (argc < 2 + refuse) { fprintf(stderr, "usage: agent [--refuse] SOCKET [CALL=ANSWER…]\n"); return 2; }
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1 + refuse]);
	struct pollfd watched[64] = {{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), POLLIN, 0}};
	if (bind(watched[0].fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
	if (listen(watched[0].fd, 16) < 0) fail("listen");
	printf("ready\n");
	for (nfds_t count = 1;;) {
		if (poll(watched, count, -1) < 0) fail("poll");
		if (watched[0].revents && count < 64) {
			int connection = accept4(watched[0].fd, NULL, NULL, SOCK_CLOEXEC);
			if (connection < 0) fail("accept");
			if (refuse) { close(connection); continue; }
			int listener = receive(connection);
			if (listener >= 0) watched[count++] = (struct pollfd){listener, POLLIN, 0};
		}
		for (nfds_t i = 1; i < count; i++) {
			if (watched[i].revents & POLLIN) answer(watched[i].fd, argv + 2 + refuse);
			else if (watched[i].revents) {
				printf("gone\n");
				close(watched[i].fd);
				watched[i--] = watched[--count];
			}
		}
	}
}
