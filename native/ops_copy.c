/* tmpcopyup: what the image has at a mount's destination is copied into the new file system. */
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include "init.h"

static int copy_tree(int from, int to, int depth);

/* What was a regular file a moment ago may have been exchanged, in a volume that is shared: the mode is of what is copied. */
static int copy_file(int from, int to, const char *name) {
  int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  if (in < 0) return -1;
  if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode)) return close(in), errno = EAGAIN, -1;
  int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  ssize_t n = 1;
  while (out >= 0 && n > 0) n = sendfile(out, in, NULL, 1 << 20);
  int error = errno;
  close(in);
  if (out < 0) return errno = error, -1;
  int rc = n < 0 || fchown(out, st.st_uid, st.st_gid) < 0 || fchmod(out, st.st_mode & 07777) < 0 ? -1 : 0;
  if (n >= 0) error = errno;
  close(out);
  return errno = error, rc;
}

static int copy_link(int from, int to, const char *name, const struct stat *st) {
  char target[4096];
  ssize_t n = readlinkat(from, name, target, sizeof target - 1);
  if (n < 0) return -1;
  target[n] = 0;
  if (symlinkat(target, to, name) < 0) return -1;
  return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_directory(int from, int to, const char *name, const struct stat *st, int depth) {
  if (mkdirat(to, name, 0700) < 0) return -1;
  int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int rc = in < 0 || out < 0 ? -1 : copy_tree(in, out, depth + 1);
  if (rc == 0 && (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)) rc = -1;
  int error = errno;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return errno = error, rc;
}

static int copy_entry(int from, int to, const char *name, int depth) {
  struct stat st;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (S_ISREG(st.st_mode)) return copy_file(from, to, name);
  if (S_ISLNK(st.st_mode)) return copy_link(from, to, name, &st);
  if (S_ISDIR(st.st_mode)) return copy_directory(from, to, name, &st, depth);
  if (mknodat(to, name, st.st_mode, st.st_rdev) < 0) return -1;
  return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_tree(int from, int to, int depth) {
  if (depth > 64) return errno = ELOOP, -1;
  char buf[2048] __attribute__((aligned(8)));
  long n;
  while ((n = syscall(SYS_getdents64, from, buf, sizeof buf)) > 0)
    for (long at = 0; at < n;) {
      struct entry *e = (struct entry *)(buf + at);
      at += e->reclen;
      if (strcmp(e->name, ".") && strcmp(e->name, "..") && copy_entry(from, to, e->name, depth) < 0) return -1;
    }
  return n < 0 ? -1 : 0;
}

/* `from` and `to` may be O_PATH fds. The new root takes the old one's owner and mode too. */
int copy_up(int from, int to) {
  struct stat st;
  int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (in < 0 || out < 0 || fstat(in, &st) < 0 || fchmod(out, st.st_mode & 07777) < 0 || fchown(out, st.st_uid, st.st_gid) < 0)
    return -1;
  int rc = copy_tree(in, out, 0);
  close(in);
  close(out);
  return rc;
}
