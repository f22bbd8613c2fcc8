/* User namespaces that exist for their maps only. */
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
