/* Files, sockets and locks of the host. */
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "init.h"

static int make_parents(char *path, mode_t mode) {
  for (char *c = path + 1; *c; c++) {
    if (*c != '/') continue;
    *c = 0;
    int rc = mkdir(path, mode);
    int error = errno;
    *c = '/';
    if (rc < 0 && error != EEXIST) return errno = error, -1;
  }
  return 0;
}

int do_mkdir(const struct op_mkdir *op) {
  const char *path = str(op->path);
  int rc = mkdir(path, (mode_t)op->mode);
  if (rc < 0 && errno == ENOENT && op->parents) {
    char *copy = allocate(op->path.len + 1);
    memcpy(copy, path, op->path.len + 1);
    if (make_parents(copy, (mode_t)op->mode) < 0) return fail(STEP_MKDIR_MKDIR, copy);
    rc = mkdir(path, (mode_t)op->mode);
  }
  if (rc < 0) return errno == EEXIST && op->exist_ok ? 0 : fail(STEP_MKDIR_MKDIR, path);
  if (op->uid < 0 && op->gid < 0) return 0;
  return chown(path, (uid_t)op->uid, (gid_t)op->gid) < 0 ? fail(STEP_MKDIR_CHOWN, path) : 0;
}

int do_write(const struct op_write *op) {
  int fd = open(str(op->path), (int)op->flags | O_WRONLY | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0) return ignored(op->ignore, errno) ? 0 : fail(STEP_WRITE_OPEN, str(op->path));
  size_t len;
  char *text = expand(op->text, &len);
  int rc = write_all(fd, text, len), error = errno;
  close(fd);
  if (rc < 0 && !ignored(op->ignore, error)) return fail_errno(STEP_WRITE_WRITE, error, str(op->path));
  return 0;
}

int do_expect(const struct op_expect *op) {
  char *now = allocate(op->text.len + 2);
  ssize_t n = read_file(AT_FDCWD, str(op->path), now, op->text.len + 2);
  if (n < 0) return fail(STEP_EXPECT_OPEN, str(op->path));
  bool same = (size_t)n == op->text.len && !memcmp(now, str(op->text), op->text.len);
  return same ? 0 : fail_errno(STEP_EXPECT_CHANGED, EAGAIN, str(op->path));
}

int do_put_file(const struct op_put_file *op) {
  const char *path = str(op->path);
  char *temporary = allocate(op->path.len + 32);
  memcpy(temporary, path, op->path.len);
  memcpy(temporary + op->path.len, ".tmp", 4);
  put_number(temporary + op->path.len + 4, (uint64_t)getpid());
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, fd = open(temporary, flags, (mode_t)op->mode);
  if (fd < 0 && errno == EEXIST && unlink(temporary) == 0) fd = open(temporary, flags, (mode_t)op->mode); /* never another's */
  if (fd < 0) return fail(STEP_PUT_FILE_OPEN, path);
  size_t len;
  char *text = expand(op->text, &len);
  int rc = write_all(fd, text, len), error = errno;
  close(fd);
  if (rc == 0 && rename(temporary, path) == 0) return 0;
  if (rc == 0) error = errno;
  unlink(temporary);
  return fail_errno(rc < 0 ? STEP_PUT_FILE_WRITE : STEP_PUT_FILE_RENAME, error, path);
}

int do_chown(const struct op_chown *op) {
  if (lchown(str(op->path), (uid_t)op->uid, (gid_t)op->gid) == 0 || ignored(op->ignore, errno)) return 0;
  return fail(STEP_CHOWN_CHOWN, str(op->path));
}

int do_unlink(const struct op_unlink *op) {
  if (unlink(str(op->path)) == 0 || ignored(op->ignore, errno)) return 0;
  return fail(STEP_UNLINK_UNLINK, str(op->path));
}

int do_rmdir(const struct op_rmdir *op) {
  char first[16];
  if (op->unless.off && read_file(AT_FDCWD, str(op->unless), first, sizeof first) > 0) return 0;
  return rmdir(str(op->path)) == 0 || ignored(op->ignore, errno) ? 0 : fail(STEP_RMDIR_RMDIR, str(op->path));
}

#define DEEPEST 64

/* "PATH/NAME", as far as it fits, in the place of what fail() was told. */
static int fail_below(uint32_t step, const char *path, const char *name) {
  int error = errno;
  char detail[DETAIL_SIZE];
  size_t len = strlen(path), more = strlen(name);
  if (len + more + 2 > sizeof detail) return fail_errno(step, error, path);
  memcpy(detail, path, len);
  detail[len] = '/';
  memcpy(detail + len + 1, name, more + 1);
  return fail_errno(step, error, detail);
}

/* For filters that forbid openat2(2), such as that of systemd's RestrictSUIDSGID=. */
static int open_same_device(int dir, const char *name) {
  struct stat here, below;
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || (fstat(dir, &here) == 0 && fstat(fd, &below) == 0 && here.st_dev == below.st_dev)) return fd;
  close(fd);
  return errno = EXDEV, -1;
}

/*
 * Removes what is in a directory but `last`, by descriptors: no link is followed and no other file system entered,
 * whoever may write there and whatever they put in its place meanwhile.
 */
static int empty_directory(int dir, const char *path, const char *last, int depth) {
  char buf[2048] __attribute__((aligned(8)));
  long n;
  lseek(dir, 0, SEEK_SET);
  while ((n = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0)
    for (long at = 0; at < n;) {
      struct entry *e = (struct entry *)(buf + at);
      at += e->reclen;
      if (!strcmp(e->name, ".") || !strcmp(e->name, "..") || (last && !strcmp(e->name, last))) continue;
      if (unlinkat(dir, e->name, 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR) return fail_below(STEP_REMOVE_DIR_UNLINK, path, e->name);
      if (depth == 0) return errno = ELOOP, fail_below(STEP_REMOVE_DIR_UNLINK, path, e->name);
      struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                              .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
      int below = (int)syscall(SYS_openat2, dir, e->name, &how, sizeof how);
      if (below < 0 && errno == ENOSYS) below = open_same_device(dir, e->name);
      if (below < 0 && errno == ENOENT) continue;
      if (below < 0) return fail_below(STEP_REMOVE_DIR_OPEN, path, e->name);
      int rc = empty_directory(below, path, NULL, depth - 1);
      close(below);
      if (rc < 0) return -1;
      if (unlinkat(dir, e->name, AT_REMOVEDIR) < 0 && errno != ENOENT) return fail_below(STEP_REMOVE_DIR_RMDIR, path, e->name);
    }
  return n < 0 ? fail(STEP_REMOVE_DIR_READ, path) : 0;
}

/* What cannot be removed leaves `last`, so that whoever tries again still knows what it was. */
int do_remove_dir(const struct op_remove_dir *op) {
  const char *path = str(op->path), *last = str(op->last);
  int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (dir < 0) return errno == ENOENT ? 0 : fail(STEP_REMOVE_DIR_OPEN, path);
  int rc = empty_directory(dir, path, last, DEEPEST);
  if (rc == 0 && unlinkat(dir, last, 0) < 0 && errno != ENOENT)
    rc = errno == EISDIR ? empty_directory(dir, path, NULL, DEEPEST) : fail_below(STEP_REMOVE_DIR_UNLINK, path, last);
  close(dir);
  if (rc < 0) return -1;
  return rmdir(path) < 0 && errno != ENOENT ? fail(STEP_REMOVE_DIR_RMDIR, path) : 0;
}

/*
 * The fd stays open, and with it the lock, until this process ends. It is the directory itself that is locked: that takes
 * no file, which could not be made where the disk is full or read-only.
 */
int do_lock(const struct op_lock *op) {
  int fd = open(str(op->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(STEP_LOCK_OPEN, str(op->path));
  int rc;
  do rc = flock(fd, LOCK_EX);
  while (rc < 0 && errno == EINTR);
  struct stat st;
  if (rc < 0) return fail(STEP_LOCK_FLOCK, str(op->path));
  if (fstat(fd, &st) < 0 || st.st_nlink == 0) return fail_errno(STEP_LOCK_STALE, ENOENT, str(op->path));
  return 0;
}

int do_open(const struct op_open *op) {
  int fd = open(str(op->path), (int)op->flags | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return fail(STEP_OPEN_OPEN, str(op->path));
  return set_slot(op->slot, fd);
}

int do_connect(const struct op_connect *op) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return fail(STEP_CONNECT_SOCKET, NULL);
  int through = -1;
  if (op->path.len < sizeof address.sun_path) memcpy(address.sun_path, str(op->path), op->path.len + 1);
  else { /* longer than a socket address holds: through an O_PATH fd */
    through = open(str(op->path), O_PATH | O_CLOEXEC);
    memcpy(address.sun_path, "/proc/self/fd/", 14);
    if (through >= 0) put_number(address.sun_path + 14, (uint64_t)through);
  }
  int rc = connect(sock, (struct sockaddr *)&address, sizeof address), error = errno;
  if (through >= 0) close(through);
  if (rc < 0) {
    close(sock);
    return fail_errno(STEP_CONNECT_CONNECT, error, str(op->path));
  }
  return set_slot(op->slot, sock);
}

/* By a path that says nothing of where the directory is: whoever has the socket can read it. */
int do_listen(const struct op_listen *op) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/proc/self/fd/" };
  int directory = open(str(op->directory), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return fail(STEP_LISTEN_OPEN, str(op->directory));
  int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return fail(STEP_LISTEN_SOCKET, NULL);
  int end = 14 + put_number(address.sun_path + 14, (uint64_t)directory);
  address.sun_path[end++] = '/';
  if (op->name.len >= sizeof address.sun_path - (size_t)end) return fail_errno(STEP_LISTEN_BIND, ENAMETOOLONG, str(op->name));
  memcpy(address.sun_path + end, str(op->name), op->name.len + 1);
  if (bind(sock, (struct sockaddr *)&address, sizeof address) < 0 || listen(sock, 16) < 0) return fail(STEP_LISTEN_BIND, str(op->name));
  close(directory);
  return set_slot(op->slot, sock);
}

/* As runc's --pidfd-socket: the pid's fd as SCM_RIGHTS beside a short text. */
int do_send_pidfd(const struct op_send_pidfd *op) {
  if (send_fd(slot_fd(op->slot), "pidfd", 5, ctx.pidfd) < 0) return fail(STEP_SEND_PIDFD_SENDMSG, NULL);
  return set_slot(op->slot, -1);
}

int do_open_ns(const struct op_open_ns *op) {
  const char *path = expand(op->path, NULL);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return fail(STEP_OPEN_NS_OPEN, path);
  int type = ioctl(fd, NS_GET_NSTYPE);
  if (type < 0 || (uint64_t)type != op->type) {
    close(fd);
    return fail_errno(STEP_OPEN_NS_TYPE, EINVAL, path);
  }
  return set_slot(op->slot, fd);
}

int do_close_slot(const struct op_close_slot *op) { return set_slot(op->slot, -1); }

/* Last first: a later mount may lie below an earlier one. What is not a mount is passed over. */
int do_unmount(const struct op_unmount *op) {
  ctx.root = open(str(op->root), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (ctx.root < 0) return errno == ENOENT ? 0 : fail(STEP_UNMOUNT_OPEN, str(op->root));
  for (uint32_t i = op->paths.count; i-- > 0;) {
    int fd = open_in_root(str(vec(op->paths)[i]), O_PATH, 0);
    if (fd < 0) continue;
    char path[40] = "/proc/self/fd/";
    put_number(path + 14, (uint64_t)fd);
    int rc = umount2(path, MNT_DETACH), error = errno;
    close(fd);
    if (rc == 0 && !strcmp(str(vec(op->paths)[i]), "/")) { /* what lay below is the root again */
      close(ctx.root);
      ctx.root = open(str(op->root), O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (rc < 0 && error != EINVAL) return fail_errno(STEP_UNMOUNT_UMOUNT, error, str(vec(op->paths)[i]));
  }
  return 0;
}
