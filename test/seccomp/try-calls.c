// try-calls ABI:NUMBER[:ARGUMENT…] …: makes each system call in a process of its own and prints a line about it:
// `ok`, `errno N` or `signal N`. ABI is `native`, or `i386` for int $0x80. Numbers are as strtoull(3) takes them.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long call_native(const uint64_t *v) {
	long result = syscall((long)v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
	return result == -1 ? -errno : result;
}

static long call_i386(const uint64_t *v) {
#ifdef __x86_64__
	// rbp, the sixth argument, is left as it is
	long result;
	__asm__ volatile("int $0x80" : "=a"(result)
		: "a"(v[0]), "b"(v[1]), "c"(v[2]), "d"(v[3]), "S"(v[4]), "D"(v[5]) : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
#else
	(void)v;
	return -ENOSYS;
#endif
}

// The result comes through a pipe, the verdict by the call itself.
static void attempt(char *text) {
	uint64_t v[7] = {0};
	int i386 = !strncmp(text, "i386:", 5), n = 0;
	strtok(text, ":");
	for (char *part; n < 7 && (part = strtok(NULL, ":"));) v[n++] = strtoull(part, NULL, 0);
	int ends[2];
	if (pipe(ends) < 0) exit(1);
	pid_t child = fork();
	if (child < 0) exit(1);
	if (child == 0) {
		setpgid(0, 0);
		alarm(5);
		long result = i386 ? call_i386(v) : call_native(v);
		if (write(ends[1], &result, sizeof result) != sizeof result) _exit(1);
		_exit(0);
	}
	close(ends[1]);
	long result = 0;
	int status = 0, got = read(ends[0], &result, sizeof result) == sizeof result;
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
	if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
	else if (got && result < 0 && result >= -4095) printf("errno %ld\n", -result);
	else printf("ok\n");
	fflush(stdout);
}

int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) attempt(argv[i]);
	return 0;
}
