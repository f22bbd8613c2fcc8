/* User namespaces that exist for their maps only, and what is hidden where there is no pivot_root. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "init.h"
#include "mount_api.h"

static int write_map(pid_t pid, const char *file, const char *text) {
  char path[64] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)pid);
  memcpy(path + n, file, strlen(file) + 1);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t rc = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  return rc < 0 ? (errno = error, -1) : 0;
}

static int open_users(pid_t pid) {
  char path[64] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)pid);
  memcpy(path + n, "/ns/user", 9);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/* The maps of a mount are those of a user namespace (mount_setattr(2)); it lives as long as its descriptor. */
int mapped_namespace(const char *uids, const char *gids) {
  int gate[2], made[2];
  if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(made, O_CLOEXEC) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    char byte = 0;
    close(gate[1]);
    close(made[0]);
    int error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
    if (write(made[1], &error, sizeof error) < 0) _exit(1);
    _exit(read(gate[0], &byte, 1) < 0); /* until the other end is closed, be it by a death */
  }
  close(gate[0]);
  close(made[1]);
  int error = 0, fd = -1;
  if (pid < 0 || read(made[0], &error, sizeof error) != (ssize_t)sizeof error) error = pid < 0 ? EAGAIN : ECHILD;
  else if (!error) {
    if (write_map(pid, "/uid_map", uids) == 0 && write_map(pid, "/gid_map", gids) == 0) fd = open_users(pid);
    error = errno;
  }
  close(made[0]);
  close(gate[1]);
  if (pid > 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  errno = error;
  return fd;
}

int idmap_tree(int tree, int users, bool recursive) {
  struct attributes attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)users };
  return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr);
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
  const size_t room = 1 << 20;
  char *text = allocate(room); /* only what is written to becomes memory */
  char file[64], root[4096];
  char *lines[512];
  size_t have = 0, count = 0;
  char name[32] = "/proc/self/fd/";
  put_number(name + 14, (uint64_t)ctx.root);
  ssize_t n = readlink(name, root, sizeof root - 1);
  if (n < 0 || proc_self_path(file, sizeof file, "mountinfo") < 0) return -1;
  root[n] = 0;
  int fd = openat(ctx.proc, file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (have < room - 1 && (n = read(fd, text + have, room - 1 - have)) > 0) have += (size_t)n;
  close(fd);
  text[have] = 0;
  for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
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
