// The conformance probe: its arguments, and what it does other than report (probe.h).
#include "probe.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t last;
static void note(int s) { last = s; }

// wait [CODE]: says "ready", then waits for SIGTERM and ends with CODE; every other signal it can catch is printed.
static int wait_for_signal(int code) {
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	for (int s = 1; s < 65; s++) if (s != SIGCHLD) signal(s, note);
	puts("ready");
	fflush(stdout);
	for (;;) {
		sigsuspend(&old);
		int s = last;
		printf("signal %d\n", s);
		fflush(stdout);
		if (s == SIGTERM) return code;
		if (s == SIGWINCH) {
			struct winsize w;
			if (ioctl(0, TIOCGWINSZ, &w) == 0) printf("size %d %d\n", w.ws_row, w.ws_col);
			fflush(stdout);
		}
	}
}

// eat BYTES: touches so much memory, then says so.
static int eat(size_t bytes) {
	size_t step = 1 << 20;
	for (size_t done = 0; done < bytes; done += step) {
		char *p = malloc(step);
		if (!p) { puts("malloc failed"); return 2; }
		for (size_t i = 0; i < step; i += 1024) p[i] = 1;
	}
	puts("eaten");
	return 0;
}

// forks N: starts up to N children that pause, and prints how many could be started.
static int forks(int n) {
	int started = 0, e = 0;
	pid_t pids[4096];
	for (; started < n && started < 4096; started++) {
		pids[started] = fork();
		if (pids[started] < 0) { e = errno; break; }
		if (pids[started] == 0) { for (;;) pause(); }
	}
	printf("{\"started\":%d,\"error\":\"%s\"}\n", started, e ? error_name(e) : "OK");
	for (int i = 0; i < started; i++) kill(pids[i], SIGKILL);
	return 0;
}

// spin MILLISECONDS: burns CPU for so long by the wall clock, prints how much CPU time it got.
static int spin(long ms) {
	struct timespec start, now, cpu;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("{\"wall\":%ld,\"cpu\":%ld}\n", (long)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000),
		(long)(cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000));
	return 0;
}

int main(int argc, char **argv) {
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	const char *verb = argc > 1 ? argv[1] : "report";
	if (!strcmp(verb, "wait")) return wait_for_signal(argc > 2 ? atoi(argv[2]) : 0);
	if (!strcmp(verb, "exit")) return argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(verb, "eat")) return eat(strtoull(argv[2], NULL, 10));
	if (!strcmp(verb, "forks")) return forks(atoi(argv[2]));
	if (!strcmp(verb, "spin")) return spin(atol(argv[2]));
	if (!strcmp(verb, "abort")) { signal(SIGABRT, SIG_DFL); kill(getpid(), argc > 2 ? atoi(argv[2]) : SIGABRT); return 99; }
	printf("{");
	for (int i = 1; i < argc; i++) { if (i > 1) putchar(','); operation(argv[i], argv); }
	printf("}\n");
	return fflush(stdout) == 0 ? 0 : 3;
}
