// Writing JSON, and what files hold.
#include "probe.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void text(const char *s) {
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\') printf("\\%c", c);
		else if (c < 32 || c > 126) printf("\\u%04x", c);
		else putchar(c);
	}
	putchar('"');
}

void key(const char *k) { text(k); putchar(':'); }
void number(const char *k, long long v) { key(k); printf("%lld,", v); }
void string(const char *k, const char *v) { key(k); text(v); putchar(','); }

static const struct { int value; const char *name; } errors[] = {
	{EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {EIO, "EIO"}, {ENXIO, "ENXIO"}, {EBADF, "EBADF"}, {EAGAIN, "EAGAIN"},
	{ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {ENODEV, "ENODEV"},
	{ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {ENOTTY, "ENOTTY"}, {ETXTBSY, "ETXTBSY"},
	{EFBIG, "EFBIG"}, {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {EMLINK, "EMLINK"}, {EPIPE, "EPIPE"}, {ENOSYS, "ENOSYS"},
	{ELOOP, "ELOOP"}, {ENOEXEC, "ENOEXEC"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {EXDEV, "EXDEV"}, {ESRCH, "ESRCH"},
	{EMFILE, "EMFILE"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOTEMPTY, "ENOTEMPTY"}, {ECHILD, "ECHILD"},
	{ENOTBLK, "ENOTBLK"}, {EDQUOT, "EDQUOT"}, {ENETDOWN, "ENETDOWN"}, {ENOTSOCK, "ENOTSOCK"}, {EINTR, "EINTR"},
};

const char *error_name(int e) {
	static char other[32];
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].value == e) return errors[i].name;
	snprintf(other, sizeof other, "errno %d", e);
	return other;
}

void outcome(long r) { text(r < 0 ? error_name(errno) : "OK"); }

const char *kind(mode_t m) {
	return S_ISREG(m) ? "file" : S_ISDIR(m) ? "dir" : S_ISLNK(m) ? "symlink" : S_ISCHR(m) ? "c" : S_ISBLK(m) ? "b"
		: S_ISFIFO(m) ? "p" : S_ISSOCK(m) ? "socket" : "other";
}

void stat_object(const struct stat *s) {
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

char *slurp(const char *path, size_t *length) {
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
