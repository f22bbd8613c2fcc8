// watchmounts: says "ready", then the lines of mountinfo of mounts that come into this mount namespace, as long as they
// may be there, until SIGTERM; "end" is the last line.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t asked_to_end;
static long *known;
static size_t count;

static void end(int signal) { (void)signal; asked_to_end = 1; }

static int is_new(long id) {
	for (size_t i = 0; i < count; i++)
		if (known[i] == id) return 0;
	known = realloc(known, (count + 1) * sizeof *known);
	known[count++] = id;
	return 1;
}

static void look(FILE *table, int tell) {
	char *line = NULL;
	size_t size = 0;
	rewind(table);
	while (getline(&line, &size, table) > 0)
		if (is_new(strtol(line, NULL, 10)) && tell) printf("%s", line);
	free(line);
	fflush(stdout);
}

int main(void) {
	FILE *table = fopen("/proc/self/mountinfo", "re");
	if (!table) return perror("/proc/self/mountinfo"), 1;
	struct sigaction action = {.sa_handler = end};
	sigset_t term, before;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &action, NULL);
	look(table, 0);
	puts("ready");
	fflush(stdout);
	while (!asked_to_end) {
		struct pollfd fd = {.fd = fileno(table), .events = POLLPRI};
		if (ppoll(&fd, 1, NULL, &before) < 0 && errno != EINTR) return perror("ppoll"), 1;
		look(table, 1);
	}
	puts("end");
	return 0;
}
