// What the probe can be asked to look at and to try.
#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

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

void operation(char *op, char **argv) {
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
	else if (!strcmp(verb, "int80")) {
#ifdef __x86_64__
		long pid = 20; // getpid of i386
		__asm__ volatile("int $0x80" : "+a"(pid) : : "memory", "r8", "r9", "r10", "r11");
		outcome(pid > 0 ? 0 : (errno = (int)-pid, -1));
#else
		outcome((errno = ENOSYS, -1));
#endif
	} else if (!strcmp(verb, "seals")) {
		int fd = open(a, O_RDONLY | O_CLOEXEC), seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
		if (seals < 0) text(error_name(errno));
		else printf("%d", seals);
		if (fd >= 0) close(fd);
	} else if (!strcmp(verb, "overwrite-exe")) outcome(overwrite_exe(a));
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
