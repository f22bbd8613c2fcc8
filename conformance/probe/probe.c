// The conformance probe: runs as the container's process and reports, as one JSON
// object on stdout, what it sees. Each argument is an operation; the key of its
// result is the argument itself.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void text(const char *s) {
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\') printf("\\%c", c);
		else if (c < 32 || c > 126) printf("\\u%04x", c);
		else putchar(c);
	}
	putchar('"');
}

static void key(const char *k) { text(k); putchar(':'); }
static void number(const char *k, long long v) { key(k); printf("%lld,", v); }
static void string(const char *k, const char *v) { key(k); text(v); putchar(','); }

static const struct { int value; const char *name; } errors[] = {
	{EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {EIO, "EIO"}, {ENXIO, "ENXIO"}, {EBADF, "EBADF"}, {EAGAIN, "EAGAIN"},
	{ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {ENODEV, "ENODEV"},
	{ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {ENOTTY, "ENOTTY"}, {ETXTBSY, "ETXTBSY"},
	{EFBIG, "EFBIG"}, {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {EMLINK, "EMLINK"}, {EPIPE, "EPIPE"}, {ENOSYS, "ENOSYS"},
	{ELOOP, "ELOOP"}, {ENOEXEC, "ENOEXEC"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {EXDEV, "EXDEV"}, {ESRCH, "ESRCH"},
	{EMFILE, "EMFILE"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOTEMPTY, "ENOTEMPTY"}, {ECHILD, "ECHILD"},
	{ENOTBLK, "ENOTBLK"}, {EDQUOT, "EDQUOT"}, {ENETDOWN, "ENETDOWN"}, {ENOTSOCK, "ENOTSOCK"}, {EINTR, "EINTR"},
};

static const char *error_name(int e) {
	static char other[32];
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].value == e) return errors[i].name;
	snprintf(other, sizeof other, "errno %d", e);
	return other;
}

static void outcome(long r) { text(r < 0 ? error_name(errno) : "OK"); }

static const char *kind(mode_t m) {
	return S_ISREG(m) ? "file" : S_ISDIR(m) ? "dir" : S_ISLNK(m) ? "symlink" : S_ISCHR(m) ? "c" : S_ISBLK(m) ? "b"
		: S_ISFIFO(m) ? "p" : S_ISSOCK(m) ? "socket" : "other";
}

static void stat_object(const struct stat *s) {
	printf("{");
	string("type", kind(s->st_mode));
	number("mode", s->st_mode & 07777);
	number("uid", s->st_uid);
	number("gid", s->st_gid);
	number("major", major(s->st_rdev));
	number("minor", minor(s->st_rdev));
	number("size", s->st_size);
	number("dev", (long long)s->st_dev);
	key("ino"); printf("%llu}", (unsigned long long)s->st_ino);
}

static char *slurp(const char *path, size_t *length) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) return NULL;
	size_t cap = 1 << 16, n = 0;
	char *buffer = malloc(cap + 1);
	for (ssize_t r; (r = read(fd, buffer + n, cap - n)) > 0;) {
		n += (size_t)r;
		if (n == cap && n < (1 << 22)) buffer = realloc(buffer, (cap *= 2) + 1);
	}
	int e = errno;
	close(fd);
	errno = e;
	buffer[n] = 0;
	if (length) *length = n;
	return buffer;
}

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

static void report(char **argv) {
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

static void list(const char *path) {
	DIR *d = opendir(path);
	if (!d) { text(error_name(errno)); return; }
	printf("[");
	const char *comma = "";
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) { printf("%s", comma); text(e->d_name); comma = ","; }
	printf("]");
	closedir(d);
}

static void read_file(const char *path) {
	size_t n = 0;
	errno = 0;
	char *all = slurp(path, &n);
	if (!all) { text(error_name(errno)); return; }
	printf("{\"data\":");
	if (n > 8192) all[8192] = 0;
	text(all);
	printf("}");
	free(all);
}

static long spawn(const char *path) {
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) return -1;
	if (pid == 0) {
		execl(path, path, (char *)NULL);
		_exit(errno & 127 ? 64 + errno : 127); // 64 + errno: told apart from /bin/true's 0
	}
	int status = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) - 64 : EINTR;
	return -1;
}

static long make_queue(const char *name) {
	mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
	if (q == (mqd_t)-1) return -1;
	mq_close(q);
	return 0;
}

// Opens for reading and really reads one byte where that cannot block.
static long open_then_close(const char *path, int flags) {
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0) return -1;
	close(fd);
	return 0;
}

static long write_text(const char *path, const char *value) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = write(fd, value, strlen(value));
	int e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}

// Attacks the file that /proc/PID/exe shows: CVE-2019-5736.
static long overwrite_exe(const char *pid) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/exe", pid);
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int w = open(path, O_WRONLY | O_CLOEXEC);
	int e = errno;
	close(fd);
	if (w >= 0) close(w);
	errno = e;
	return w < 0 ? -1 : 0;
}

static void operation(char *op, char **argv) {
	char copy[4096], *arg[8] = {copy, "", "", "", "", "", "", ""};
	key(op);
	snprintf(copy, sizeof copy, "%s", op);
	char *rest = strchr(copy, '=');
	if (rest) *rest++ = 0;
	int n = 1;
	for (char *save = NULL, *t = rest ? strtok_r(rest, ",", &save) : NULL; t && n < 8; t = strtok_r(NULL, ",", &save)) arg[n++] = t;
	const char *verb = arg[0], *a = arg[1], *b = arg[2];
	struct stat s;
	struct statfs f;
	if (!strcmp(verb, "report")) report(argv);
	else if (!strcmp(verb, "openr")) outcome(open_then_close(a, O_RDONLY));
	else if (!strcmp(verb, "openw")) outcome(open_then_close(a, O_WRONLY));
	else if (!strcmp(verb, "openrw")) outcome(open_then_close(a, O_RDWR));
	else if (!strcmp(verb, "creat")) outcome(open_then_close(a, O_WRONLY | O_CREAT | O_EXCL));
	else if (!strcmp(verb, "write")) outcome(write_text(a, b));
	else if (!strcmp(verb, "mkdir")) outcome(mkdir(a, 0755));
	else if (!strcmp(verb, "rmdir")) outcome(rmdir(a));
	else if (!strcmp(verb, "unlink")) outcome(unlink(a));
	else if (!strcmp(verb, "symlink")) outcome(symlink(a, b));
	else if (!strcmp(verb, "chmod")) outcome(chmod(a, (mode_t)strtol(b, NULL, 8)));
	else if (!strcmp(verb, "chown")) outcome(chown(a, (uid_t)atol(b), (gid_t)atol(arg[3])));
	else if (!strcmp(verb, "mknod"))
		outcome(mknod(a, (*b == 'c' ? S_IFCHR : *b == 'b' ? S_IFBLK : S_IFIFO) | 0600, makedev((unsigned)atol(arg[3]), (unsigned)atol(arg[4]))));
	else if (!strcmp(verb, "mount")) outcome(mount(a, b, arg[3], 0, NULL));
	else if (!strcmp(verb, "umount")) outcome(umount2(a, MNT_DETACH));
	else if (!strcmp(verb, "sethostname")) outcome(sethostname(a, strlen(a)));
	else if (!strcmp(verb, "unshare")) outcome(unshare((int)strtol(a, NULL, 0)));
	else if (!strcmp(verb, "chroot")) outcome(chroot(a));
	else if (!strcmp(verb, "exec")) outcome(spawn(a));
	else if (!strcmp(verb, "mq")) outcome(make_queue(a));
	else if (!strcmp(verb, "kill")) outcome(kill((pid_t)atol(a), atoi(b)));
	else if (!strcmp(verb, "setuid")) outcome(setuid((uid_t)atol(a)));
	else if (!strcmp(verb, "rtprio")) { struct sched_param p = {.sched_priority = atoi(a)}; outcome(sched_setscheduler(0, SCHED_RR, &p)); }
	else if (!strcmp(verb, "notify")) {
		struct sockaddr_un u = {.sun_family = AF_UNIX};
		const char *path = getenv("NOTIFY_SOCKET");
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		snprintf(u.sun_path, sizeof u.sun_path, "%s", path ? path : "");
		outcome(sendto(fd, a, strlen(a), 0, (struct sockaddr *)&u, sizeof u));
		close(fd);
	}
	else if (!strcmp(verb, "overwrite-exe")) outcome(overwrite_exe(a));
	else if (!strcmp(verb, "readlink")) {
		char target[4096];
		ssize_t l = readlink(a, target, sizeof target - 1);
		if (l >= 0) target[l] = 0;
		text(l < 0 ? error_name(errno) : target);
	}
	else if (!strcmp(verb, "stat") || !strcmp(verb, "lstat")) {
		if ((*verb == 's' ? stat(a, &s) : lstat(a, &s)) < 0) text(error_name(errno));
		else stat_object(&s);
	}
	else if (!strcmp(verb, "statfs")) {
		if (statfs(a, &f) < 0) { text(error_name(errno)); return; }
		printf("{\"type\":\"%lx\",\"size\":%llu,\"flags\":%lu}", (unsigned long)f.f_type,
			(unsigned long long)f.f_blocks * (unsigned long long)f.f_bsize, (unsigned long)f.f_flags);
	}
	else if (!strcmp(verb, "ls")) list(a);
	else if (!strcmp(verb, "read")) read_file(a);
	else text("unknown operation");
}

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
