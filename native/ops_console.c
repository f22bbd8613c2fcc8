/* The terminal of the container (CVE-2025-52565: everything is proven before it is used, and used by fd). */
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include "init.h"
#include "mount_api.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int open_ptmx(void) {
  int fd = open_in_root("dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
  if (fd < 0) return fail(STEP_CONSOLE_OPEN, "/dev/pts/ptmx");
  struct statfs fs;
  struct stat st;
  /* inode 2 and 5:2 are set by mknod_ptmx in fs/devpts/inode.c */
  if (fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC || fstat(fd, &st) < 0 || st.st_ino != 2 || st.st_rdev != makedev(5, 2))
    return fail_errno(STEP_CONSOLE_IDENTITY, ENODEV, "/dev/pts/ptmx");
  return fd;
}

static int bind_console(int peer) {
  const char *name;
  int parent = open_parent("/dev/console", &name);
  if (parent < 0) return fail(STEP_CONSOLE_TARGET, "/dev/console");
  int file = openat(parent, name, O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_PATH, 0600);
  if (file < 0 && errno == ENOENT) {
    int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made >= 0) close(made);
    file = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  }
  struct stat st;
  if (file < 0 || fstat(file, &st) < 0) return fail(STEP_CONSOLE_TARGET, "/dev/console");
  if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode)) return fail_errno(STEP_CONSOLE_TARGET, ELOOP, "/dev/console");
  int tree = open_tree_(peer, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
  if (tree < 0 || move_mount_(tree, file) < 0) return fail(STEP_CONSOLE_BIND, "/dev/console");
  close(tree);
  close(file);
  close(parent);
  return 0;
}

/* The master comes with the name of the terminal, as console sockets are spoken to by every runtime. */
static int hand_over(const struct op_console *op, int master) {
  if (op->socket >= 0) {
    int rc = send_fd(slot_fd(op->socket), "/dev/ptmx", 9, master);
    if (rc == 0) set_slot(op->socket, -1);
    return rc;
  }
  struct message m = { .type = MESSAGE_FD };
  return send_message(ctx.sync, &m, master);
}

/* Of the first of the standard streams that is a terminal with a size. */
bool caller_size(struct winsize *size) {
  struct winsize found;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl(fd, TIOCGWINSZ, &found) == 0 && (found.ws_row || found.ws_col)) {
      *size = found;
      return true;
    }
  return false;
}

int do_console(const struct op_console *op) {
  int master = open_ptmx(), unlock = 0;
  if (master < 0) return -1;
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0) return fail(STEP_CONSOLE_PEER, NULL);
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (peer < 0) return fail(STEP_CONSOLE_PEER, NULL);
  struct winsize size = { .ws_row = (unsigned short)op->rows, .ws_col = (unsigned short)op->columns };
  /* In the foreground the size is that of the caller's terminal, and it is right before the program's first instruction. */
  if (op->socket < 0) caller_size(&size);
  if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0) return fail(STEP_CONSOLE_SIZE, NULL);
  struct termios t;
  if (op->clear_onlcr && tcgetattr(peer, &t) == 0) {
    t.c_oflag &= ~(tcflag_t)ONLCR;
    tcsetattr(peer, TCSANOW, &t);
  }
  if (op->mount_console && bind_console(peer) < 0) return -1;
  /* In a user namespace gid 5 may not be mapped: the owner is what matters. */
  if (fchown(peer, (uid_t)op->uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL) return fail(STEP_CONSOLE_CHOWN, NULL);
  if (hand_over(op, master) < 0) return fail(STEP_CONSOLE_SEND, NULL);
  close(master);
  for (int fd = 0; fd < 3; fd++)
    if (dup2(peer, fd) < 0) return fail(STEP_CONSOLE_DUP, NULL);
  close(peer);
  return 0;
}

int do_control_terminal(const struct op_control_terminal *op) {
  (void)op;
  return ioctl(0, TIOCSCTTY, 0) < 0 ? fail(STEP_CONTROL_TERMINAL_IOCTL, NULL) : 0;
}
