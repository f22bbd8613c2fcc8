/* What is decided by the table of mounts: whom a mount shares its events with, and what stays where nothing is pivoted. */
#include <sys/mount.h>
#include <sys/stat.h>
#include "init.h"
#include "mount_api.h"

static const size_t room = 16 << 20;

static char *read_table(void) {
  static char *text; /* only what is written to becomes memory */
  char path[64];
  size_t have = 0;
  ssize_t n = -1;
  if (!text) text = allocate(room);
  int fd = proc_self_path(path, sizeof path, "mountinfo") < 0 ? -1 : openat(ctx.proc, path, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && have < room - 1 && (n = read(fd, text + have, room - 1 - have)) > 0) have += (size_t)n;
  int error = n > 0 ? E2BIG : errno;
  if (fd >= 0) close(fd);
  text[have] = 0;
  return n == 0 ? text : (errno = error, NULL);
}

/* Fields of /proc/PID/mountinfo have blanks and the like as \ooo. */
static void unescape(char *text) {
  char *to = text;
  for (char *from = text; *from; to++) {
    bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3];
    *to = octal ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : *from;
    from += octal ? 4 : 1;
  }
  *to = 0;
}

/*
 * Mounts that share their events with the host's: what is mounted on such a mount appears on the host too. The container's
 * processes may ask for that (mount options `shared` and `rshared`), but of what is mounted for the container the host is
 * to see nothing, not even for a moment.
 */

/* The number of the mount that `fd` is on, as in mountinfo; 0 if it cannot be told. */
static uint64_t mount_number(int fd) {
  char path[64], text[256], name[32] = "fdinfo/";
  put_number(name + 7, (uint64_t)fd);
  if (proc_self_path(path, sizeof path, name) < 0 || read_file(ctx.proc, path, text, sizeof text) < 0) return 0;
  const char *at = strstr(text, "mnt_id:");
  uint64_t number = 0;
  for (at = at ? at + 7 : ""; *at == ' ' || *at == '\t'; at++) {}
  for (; *at >= '0' && *at <= '9'; at++) number = number * 10 + (uint64_t)(*at - '0');
  return number;
}

/* Whether `fd` is the container's root: the same directory may be seen at another place, through another mount. */
bool is_root(int fd) {
  struct stat a, b;
  if (fstat(fd, &a) < 0 || fstat(ctx.root, &b) < 0 || a.st_ino != b.st_ino || a.st_dev != b.st_dev) return false;
  return mount_number(fd) == mount_number(ctx.root);
}

/* The mount point of a mount that is shared, else NULL: "36 35 98:0 /root /mount/point rw,noatime shared:1 - ext3 …". */
static char *shared_at(char *table, uint64_t number) {
  char start[24];
  size_t len = (size_t)put_number(start, number);
  start[len++] = ' ';
  for (char *line = table, *end; (end = strchr(line, '\n')); line = end + 1) {
    if (strncmp(line, start, len)) continue;
    *end = 0;
    char *path = line;
    for (int blanks = 0; blanks < 4; blanks++)
      if (!(path = strchr(path, ' '))) return NULL;
      else path++;
    char *after = strchr(path, ' '), *fields = after ? strstr(after, " - ") : NULL;
    if (!fields) return NULL;
    *fields = 0;
    if (!strstr(after, " shared:")) return NULL;
    *after = 0;
    unescape(path);
    return path;
  }
  return NULL;
}

/* Where the kernel knows the call, it gets as far as the descriptors. */
static bool can_rejoin(void) {
  unsigned flags = MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return syscall(SYS_move_mount, -1, "", -1, "", flags) < 0 && errno == EBADF;
}

static int make_private(int mount_fd) {
  char path[40];
  return mount(NULL, fd_path(path, mount_fd), NULL, MS_PRIVATE, NULL);
}

/* Takes the mount that `target` is on out of its group; a clone of it holds the place there until rejoin_peers. */
int leave_peers(int target, struct peers *p) {
  p->mount = p->group = -1;
  if (!ctx.peers) return 0;
  uint64_t number = mount_number(target);
  char *table = number ? read_table() : NULL;
  if (!table) return -1;
  const char *path = shared_at(table, number);
  if (!path) return 0;
  if (!can_rejoin()) return errno = EOPNOTSUPP, -1;
  p->mount = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (p->mount < 0) return -1;
  if (mount_number(p->mount) != number) errno = EBUSY; /* another one lies on it */
  else if ((p->group = open_tree_(p->mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE)) >= 0 && make_private(p->mount) == 0) return 0;
  int error = errno;
  close(p->mount);
  if (p->group >= 0) close(p->group);
  return errno = error, -1;
}

/* Returns `rc`, the result of what was done meanwhile, unless the way back fails. */
int rejoin_peers(struct peers *p, int rc) {
  if (p->mount < 0) return rc;
  int error = errno;
  unsigned flags = MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  if (syscall(SYS_move_mount, p->group, "", p->mount, "", flags) < 0 && rc >= 0) {
    rc = -1;
    error = errno;
  }
  close(p->group);
  close(p->mount);
  return errno = error, rc;
}

/* The mount point, where the line is of procfs or sysfs; the line is taken apart. */
static char *kernel_files_at(char *line) {
  char *type = strstr(line, " - "), *path = line;
  if (!type || (strncmp(type, " - proc ", 8) && strncmp(type, " - sysfs ", 9))) return NULL;
  for (int field = 1; field < 5 && path; field++) path = strchr(path + 1, ' ');
  char *end = path ? strchr(path + 1, ' ') : NULL;
  if (!end) return NULL;
  *end = 0;
  unescape(path + 1);
  return path + 1;
}

/*
 * Where the root is moved and not pivoted, the old one's mounts stay in the namespace. With a whole procfs among them
 * the container may mount another one in a user namespace, with nothing masked (mount_too_revealing in fs/namespace.c).
 */
int hide_kernel_files(void) {
  char root[4096], *lines[512];
  size_t count = 0;
  char name[40];
  ssize_t n = readlink(fd_path(name, ctx.root), root, sizeof root - 1);
  char *table = n < 0 ? NULL : read_table();
  if (!table) return -1;
  root[n] = 0;
  for (char *line = table, *end; (end = strchr(line, '\n')); line = end + 1) {
    *end = 0;
    char *path = kernel_files_at(line);
    size_t len = strlen(root);
    if (!path || (!strncmp(path, root, len) && (path[len] == '/' || !path[len]))) continue;
    if (count == sizeof lines / sizeof *lines) return errno = E2BIG, -1;
    lines[count++] = path;
  }
  while (count--) {
    const char *path = lines[count];
    mount(NULL, path, NULL, MS_SLAVE | MS_REC, NULL); /* so that the host keeps its own */
    if (umount2(path, MNT_DETACH) == 0 || errno == ENOENT) continue;
    /* Locked, or no mount point any more as one above it is gone: what is left to see is covered. */
    if (errno != EINVAL && errno != EPERM) return -1;
    if (mount("tmpfs", path, "tmpfs", MS_RDONLY, NULL) < 0 && errno != ENOENT && errno != ENOTDIR) return -1;
  }
  return 0;
}
