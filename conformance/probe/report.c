// `report`: everything about the process.
#include "probe.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void lines(const char *k, const char *path) {
	key(k);
	char *all = slurp(path, NULL), *save = NULL;
	if (!all) { printf("[],"); return; }
	printf("[");
	const char *comma = "";
	for (char *l = strtok_r(all, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		printf("%s", comma); text(l); comma = ",";
	}
	printf("],");
	free(all);
}

static void link_target(const char *k, const char *path) {
	char target[4096];
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0) { string(k, ""); return; }
	target[n] = 0;
	string(k, target);
}

static void capabilities(void) {
	struct { uint32_t version; int pid; } header = {0x20080522, 0};
	struct { uint32_t effective, permitted, inheritable; } data[2] = {{0, 0, 0}, {0, 0, 0}};
	syscall(SYS_capget, &header, data);
	uint64_t bounding = 0, ambient = 0;
	for (int c = 0; c < 64; c++) {
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) bounding |= 1ull << c;
		if (prctl(47 /* PR_CAP_AMBIENT */, 1 /* IS_SET */, c, 0, 0) == 1) ambient |= 1ull << c;
	}
#define WIDE(field) ((unsigned long long)data[0].field | (unsigned long long)data[1].field << 32)
	key("caps");
	printf("{\"effective\":\"%llx\",\"permitted\":\"%llx\",\"inheritable\":\"%llx\",\"bounding\":\"%llx\",\"ambient\":\"%llx\"},",
		WIDE(effective), WIDE(permitted), WIDE(inheritable), (unsigned long long)bounding, (unsigned long long)ambient);
}

static const char *const rlimit_names[] = {"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK",
	"AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};

static void limits(void) {
	key("rlimits");
	printf("{");
	for (int i = 0; i < 16; i++) {
		struct rlimit l = {0, 0};
		getrlimit(i, &l);
		printf("%s\"RLIMIT_%s\":[\"%llu\",\"%llu\"]", i ? "," : "", rlimit_names[i], (unsigned long long)l.rlim_cur,
			(unsigned long long)l.rlim_max);
	}
	printf("},");
}

static void signals(void) {
	sigset_t blocked;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int which = 0; which < 3; which++) {
		key(which == 0 ? "sigBlocked" : which == 1 ? "sigIgnored" : "sigCaught");
		printf("[");
		const char *comma = "";
		for (int s = 1; s < 65; s++) {
			struct sigaction a;
			int yes;
			if (s == 32 || s == 33 || s == 34) continue; // kept by the C library
			if (which == 0) yes = sigismember(&blocked, s) == 1;
			else if (sigaction(s, NULL, &a) < 0) continue;
			else yes = which == 1 ? a.sa_handler == SIG_IGN : a.sa_handler != SIG_IGN && a.sa_handler != SIG_DFL;
			if (yes) { printf("%s%d", comma, s); comma = ","; }
		}
		printf("],");
	}
}

static void open_files(void) {
	key("fds");
	printf("[");
	const char *comma = "";
	for (int fd = 0; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0) continue;
		struct stat s;
		char path[64], target[4096] = "";
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof target - 1);
		if (n >= 0) target[n] = 0;
		fstat(fd, &s);
		printf("%s{", comma);
		number("fd", fd);
		number("cloexec", flags & FD_CLOEXEC);
		string("target", target);
		string("type", kind(s.st_mode));
		key("flags"); printf("%d}", fcntl(fd, F_GETFL));
		comma = ",";
	}
	printf("],");
}

static void terminal(void) {
	key("tty");
	printf("{\"isatty\":[%d,%d,%d],", isatty(0), isatty(1), isatty(2));
	struct winsize w = {0, 0, 0, 0};
	if (isatty(0) && ioctl(0, TIOCGWINSZ, &w) == 0) { number("rows", w.ws_row); number("columns", w.ws_col); }
	struct termios t;
	if (isatty(0) && tcgetattr(0, &t) == 0) number("onlcr", (t.c_oflag & ONLCR) != 0);
	struct stat s;
	if (isatty(0) && fstat(0, &s) == 0) { key("stat"); stat_object(&s); putchar(','); }
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	number("controlling", fd >= 0);
	if (fd >= 0) close(fd);
	printf("\"foreground\":%d},", (int)tcgetpgrp(0));
}

static void scheduling(void) {
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period;
		uint32_t util_min, util_max; } attr;
	memset(&attr, 0, sizeof attr);
	syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0);
	key("scheduler");
	printf("{\"policy\":%u,\"flags\":%llu,\"nice\":%d,\"priority\":%u,\"runtime\":%llu,\"deadline\":%llu,\"period\":%llu},",
		attr.policy, (unsigned long long)attr.flags, attr.nice, attr.priority, (unsigned long long)attr.runtime,
		(unsigned long long)attr.deadline, (unsigned long long)attr.period);
	long io = syscall(SYS_ioprio_get, 1, 0);
	key("ioprio");
	printf("{\"class\":%ld,\"level\":%ld},", io >> 13, io & 0x1fff);
	cpu_set_t set;
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof set, &set);
	key("affinity");
	printf("[");
	const char *comma = "";
	for (int c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, &set)) { printf("%s%d", comma, c); comma = ","; }
	printf("],");
	int mode = -1;
	unsigned long nodes[16] = {0};
	syscall(SYS_get_mempolicy, &mode, nodes, 1024, NULL, 0);
	key("memoryPolicy");
	printf("{\"mode\":%d,\"nodes\":%lu},", mode, nodes[0]);
}

static void clocks(void) {
	struct timespec b, m;
	clock_gettime(CLOCK_BOOTTIME, &b);
	clock_gettime(CLOCK_MONOTONIC, &m);
	number("boottime", b.tv_sec);
	number("monotonic", m.tv_sec);
}

static void identity(void) {
	uid_t r, e, s;
	gid_t rg, eg, sg, groups[1024];
	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	printf("\"uids\":[%u,%u,%u],\"gids\":[%u,%u,%u],\"groups\":[", r, e, s, rg, eg, sg);
	int n = getgroups(1024, groups);
	for (int i = 0; i < n; i++) printf("%s%u", i ? "," : "", groups[i]);
	printf("],");
	mode_t mask = umask(0);
	umask(mask);
	number("umask", mask);
	number("pid", getpid());
	number("ppid", getppid());
	number("sid", getsid(0));
	number("pgid", getpgrp());
}

static void names(void) {
	struct utsname u;
	uname(&u);
	string("hostname", u.nodename);
	string("domainname", u.domainname);
	string("machine", u.machine);
	static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
	key("namespaces");
	printf("{");
	for (int i = 0; i < 8; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
		link_target(kinds[i], path);
	}
	printf("\"\":\"\"},");
}

static void process_flags(void) {
	number("noNewPrivileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	number("securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	number("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	number("timerslack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	number("thpDisable", prctl(42 /* PR_GET_THP_DISABLE */, 0, 0, 0, 0));
	number("subreaper", ({ int v = 0; prctl(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0); v; }));
	int death = 0;
	prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
	number("pdeathsig", death);
	number("seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	number("personality", personality(0xffffffff));
	number("sessionKeyring", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
	char description[256] = "";
	syscall(SYS_keyctl, 6, -3, description, sizeof description - 1, 0);
	string("keyringDescription", description);
}

void report(char **argv) {
	printf("{");
	open_files(); // first, before the probe opens anything itself
	key("args");
	printf("[");
	for (int i = 0; argv[i]; i++) { printf("%s", i ? "," : ""); text(argv[i]); }
	printf("],");
	key("env");
	printf("[");
	for (int i = 0; environ[i]; i++) { printf("%s", i ? "," : ""); text(environ[i]); }
	printf("],");
	char cwd[4096] = "";
	if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0) snprintf(cwd, sizeof cwd, "%s", error_name(errno));
	string("cwd", cwd);
	identity();
	limits();
	capabilities();
	signals();
	terminal();
	scheduling();
	clocks();
	names();
	process_flags();
	lines("mounts", "/proc/self/mountinfo");
	lines("cgroup", "/proc/self/cgroup");
	lines("status", "/proc/self/status");
	lines("uidMap", "/proc/self/uid_map");
	lines("gidMap", "/proc/self/gid_map");
	lines("setgroups", "/proc/self/setgroups");
	lines("oomScoreAdj", "/proc/self/oom_score_adj");
	link_target("exe", "/proc/self/exe");
	printf("\"end\":true}");
}
