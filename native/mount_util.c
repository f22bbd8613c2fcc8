/* The path walk inside the container's root, and the mount calls of Linux 5.2 and 5.12 with what 5.10 lacks. */
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "init.h"
#include "mount_api.h"

int fs_config(int fs, unsigned cmd, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, fs, cmd, key, value, 0);
}

int open_in_root(const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };
  int fd;
  for (int tries = 0; tries < 1000; tries++) { /* EAGAIN: something was renamed during the walk */
    fd = (int)syscall(SYS_openat2, ctx.root, *path ? path : ".", &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd;
}

static int make_last(int parent, const char *name, enum want want, unsigned mode) {
  if (want == WANT_DIRECTORY) return mkdirat(parent, name, mode);
  int fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode & 0666);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int make_missing(const char *wanted, enum want want, unsigned mode, int links);

/*
 * Goes on where a dangling symbolic link `path[start..end)` points to. Apart from make_missing, whose frame is part of the
 * container's memory from the first mount on, since links that dangle are rare.
 */
static __attribute__((noinline)) int follow_dangling(const char *path, size_t start, size_t end, int parent, enum want want,
                                                     unsigned mode, int links) {
  char name[256], target[4096];
  if (end - start >= sizeof name || links >= 40) return errno = ELOOP, -1;
  memcpy(name, path + start, end - start);
  name[end - start] = 0;
  char link[4096];
  ssize_t n = readlinkat(parent, name, link, sizeof link - 1);
  if (n < 0) return -1;
  size_t keep = link[0] == '/' ? 0 : start, rest = strlen(path + end);
  if (keep + (size_t)n + rest + 1 > sizeof target) return errno = ENAMETOOLONG, -1;
  memcpy(target, path, keep);
  memcpy(target + keep, link, (size_t)n);
  memcpy(target + keep + n, path + end, rest + 1);
  return make_missing(target, want, mode, links + 1);
}

/*
 * Makes the components of `wanted` that are missing, each by its parent's fd, so that nothing outside the root is
 * ever made (CVE-2024-45310). Links are followed inside the root; a dangling one is followed by hand.
 */
static int make_missing(const char *wanted, enum want want, unsigned mode, int links) {
  size_t len = strlen(wanted);
  if (len >= 4096) return errno = ENAMETOOLONG, -1;
  char path[len + 1];
  memcpy(path, wanted, len + 1);
  for (size_t start = 0;;) {
    while (path[start] == '/') start++;
    if (!path[start]) return 0;
    size_t end = start;
    while (path[end] && path[end] != '/') end++;
    size_t next = end;
    while (path[next] == '/') next++;
    bool last = !path[next];
    char saved = path[end];
    path[end] = 0;
    int fd = open_in_root(path, O_PATH, 0);
    if (fd < 0 && errno == ENOENT) {
      path[start ? start - 1 : 0] = start ? 0 : path[0];
      int parent = open_in_root(start ? path : ".", O_PATH | O_DIRECTORY, 0);
      if (start) path[start - 1] = '/';
      if (parent < 0) return -1;
      int rc = make_last(parent, path + start, last ? want : WANT_DIRECTORY, last ? mode : 0755);
      if (rc < 0 && errno == EEXIST) {
        struct stat st;
        rc = fstatat(parent, path + start, &st, AT_SYMLINK_NOFOLLOW);
        if (rc == 0 && S_ISLNK(st.st_mode)) {
          path[end] = saved;
          rc = follow_dangling(path, start, end, parent, want, mode, links);
          int error = errno;
          close(parent);
          return errno = error, rc;
        }
      }
      int error = errno;
      close(parent);
      if (rc < 0) return errno = error, -1;
    } else if (fd < 0) return -1;
    else close(fd);
    path[end] = saved;
    start = end;
  }
}

/* An O_PATH fd of `path` inside the root, made if it is missing; all further use is through the fd. */
int make_target(const char *path, enum want want, unsigned mode, enum links links) {
  /* /proc and /sys must be plain directories of the image: through a link the kernel's files would be elsewhere. */
  uint64_t resolve = links == LINKS_NONE ? RESOLVE_NO_SYMLINKS : 0;
  uint64_t flags = O_PATH | (want == WANT_DIRECTORY ? O_DIRECTORY : 0) | (links == LINKS_BUT_LAST ? O_NOFOLLOW : 0);
  int fd = open_in_root(path, flags, resolve);
  if (fd >= 0 || errno != ENOENT) return fd;
  if (make_missing(path, want, mode, 0) < 0) return -1;
  return open_in_root(path, flags, resolve);
}

/* The directory of the last component, which is not followed; `name` is that component. */
int open_parent(const char *path, const char **name) {
  const char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!**name || !strcmp(*name, "..") || !strcmp(*name, ".")) return errno = EINVAL, -1;
  size_t len = slash ? (size_t)(slash - path) : 0;
  if (len >= 4096) return errno = ENAMETOOLONG, -1;
  char dir[len + 1];
  memcpy(dir, path, len);
  dir[len] = 0;
  if (!len) return open_in_root(".", O_PATH | O_DIRECTORY, 0);
  return make_target(dir, WANT_DIRECTORY, 0755, LINKS_ALL);
}

/* `buf` has room for 40 bytes. */
char *fd_path(char *buf, int fd) {
  memcpy(buf, "/proc/self/fd/", 14);
  put_number(buf + 14, (uint64_t)fd);
  return buf;
}

int open_tree_(int dir, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC);
}

int move_mount_(int tree, int target) {
  struct peers peers;
  if (leave_peers(target, &peers) < 0) return -1;
  int rc = (int)syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  return rejoin_peers(&peers, rc);
}

static const struct { uint64_t attr; unsigned long ms; } flag_names[] = {
  { MOUNT_ATTR_RDONLY, MS_RDONLY }, { MOUNT_ATTR_NOSUID, MS_NOSUID }, { MOUNT_ATTR_NODEV, MS_NODEV },
  { MOUNT_ATTR_NOEXEC, MS_NOEXEC }, { MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
  { MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
};

unsigned long classic_flags(int fd, uint64_t set, uint64_t clear) {
  struct statvfs st;
  unsigned long flags = 0;
  if (fstatvfs(fd, &st) == 0) flags = st.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME);
  for (unsigned i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
    if (clear & flag_names[i].attr) flags &= ~flag_names[i].ms;
    if (set & flag_names[i].attr) flags |= flag_names[i].ms;
  }
  if (clear & MOUNT_ATTR__ATIME) {
    flags &= ~(unsigned long)(MS_NOATIME | MS_RELATIME | MS_STRICTATIME);
    uint64_t atime = set & MOUNT_ATTR__ATIME;
    flags |= atime == MOUNT_ATTR_NOATIME ? MS_NOATIME : atime == MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME : MS_RELATIME;
  }
  return flags;
}

/*
 * mount_setattr(2) is Linux 5.12. On 5.10 and 5.11 one mount is changed by mount(2) through its fd's name, which
 * needs it to be attached: the caller does this after move_mount there. Recursion has no such way.
 */
int set_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive) {
  if (!set && !clear && !propagation) return 0;
  struct attributes attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation & ~(uint64_t)MS_REC };
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (syscall(SYS_mount_setattr, fd, "", flags, &attr, sizeof attr) == 0) return 0;
  /* EINVAL: before 5.14 it knows no NOSYMFOLLOW, which mount(2) knows since 5.10 */
  if (errno != ENOSYS && !(errno == EINVAL && ((set | clear) & MOUNT_ATTR_NOSYMFOLLOW))) return -1;
  char path[40] = "/"; /* the root is changed last, when the host's /proc is out of reach */
  if (fd != ctx.root) fd_path(path, fd);
  if (set || clear) {
    if (recursive) return errno = ENOSYS, -1;
    if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | classic_flags(fd, set, clear), NULL) < 0) return -1;
  }
  if (propagation) return mount(NULL, path, NULL, propagation | (recursive ? MS_REC : 0), NULL);
  return 0;
}
