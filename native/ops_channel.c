/* What launcher and init tell each other and hand over, and how `start` hears of exec. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"
#include "mount_api.h"

/*
 * Init's end of the channel may be open elsewhere: in the helper, in the maker of the child that init goes on as, in a
 * process of the container that took it. So the end of init is not the end of what there is to read. Where init is not
 * believed, a descriptor that comes with a message is dropped by the kernel, for there is no room for it.
 */
ssize_t hear(struct message *m, int *fd) {
  struct pollfd polled[3] = { { .fd = ctx.sync, .events = POLLIN }, { .fd = ctx.pidfd, .events = POLLIN },
                              { .fd = ctx.helper, .events = POLLIN } };
  if (ctx.helper >= 0 || ctx.distrusted) {
    while (poll(polled, 3, -1) < 0 && errno == EINTR) {}
    if (!polled[0].revents) {
      if (!polled[1].revents) pidfd_signal(ctx.pidfd, SIGKILL); /* somebody killed the helper: init would wait for ever */
      return 0;
    }
  }
  if (!ctx.distrusted) return receive_message(ctx.sync, m, fd);
  *fd = -1;
  ssize_t n = recv(ctx.sync, m, sizeof *m, 0);
  return n < 0 && errno == ECONNRESET ? 0 : n;
}

/* What init may say at any time: here is the terminal, a warning, or why it ends (-1). */
int take_message(const struct message *m, int fd) {
  if (ctx.distrusted) return 0;
  if (m->type == MESSAGE_FORK) ctx.distrusted = true;
  else if (m->type == MESSAGE_FD) ctx.pty = fd;
  else if (m->type == MESSAGE_WARNING) warn_or_report(REPORT_WARNING, &m->report);
  else if (m->type == MESSAGE_FAILURE) {
    ctx.failure = m->report;
    return -1;
  }
  return 0;
}

/* Init closes its end by exec, but by being killed before that too. Where it is gone, it was whatever it was. */
static bool died_as_init(pid_t pid, uint64_t expected) {
  struct process process;
  return read_process(pid, &process) == 0 && process.start == expected && process.flags & PROCESS_NOT_EXECUTED;
}

/* What a process says that a container may have in its hands is believed to be words about an op of init's, no more. */
static void take_words(const struct report *words) {
  ctx.failure = *words;
  ctx.failure.kind = REPORT_FAILURE;
  ctx.failure.list = LIST_INIT;
  ctx.failure.detail[DETAIL_SIZE - 1] = 0;
  for (char *c = ctx.failure.detail; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
}

/* Gives init the end of a pipe: that is all it gets of the host. */
static int hand_pipe(const char *path, int end) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/proc/self/fd/" };
  int file = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return fail(STEP_RELEASE_OPEN, path);
  put_number(address.sun_path + 14, (uint64_t)file);
  int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = sock;
  if (sock >= 0)
    do rc = connect(sock, (struct sockaddr *)&address, sizeof address);
    while (rc < 0 && errno == EINTR);
  close(file);
  if (rc < 0) return errno == ECONNREFUSED ? fail_errno(STEP_RELEASE_GONE, ESRCH, path) : fail(STEP_RELEASE_OPEN, path);
  if (send_fd(sock, "S", 1, end) < 0) return fail_errno(STEP_RELEASE_GONE, ESRCH, path);
  close(sock);
  return 0;
}

/* Until init has closed its end. Whoever traces it may have that too, so it is asked for now and then whether it is gone. */
static void await_close(int fd, pid_t pid, uint64_t start) {
  struct pollfd closed = { .fd = fd };
  struct process process;
  while (poll(&closed, 1, 200) <= 0)
    if (read_process(pid, &process) < 0 || process.start != start || !(process.flags & PROCESS_NOT_EXECUTED)) return;
}

static bool read_last_word(int fd) {
  struct report r;
  size_t got = 0;
  for (ssize_t n = 1; got < sizeof r && (n > 0 || errno == EINTR);) {
    n = read(fd, (char *)&r + got, sizeof r - got);
    if (n == 0) return false;
    if (n > 0) got += (size_t)n;
  }
  if (got < sizeof r || r.kind != REPORT_FAILURE) return false;
  take_words(&r);
  return true;
}

/* A container that could not be started is stopped when `start` says so. Whoever traces init can hold up its end. */
static void await_end(pid_t pid, uint64_t expected) {
  int pidfd = pidfd_open_(pid);
  uint64_t start;
  if (pidfd >= 0 && read_start(pid, &start, NULL) == 0 && start == expected) wait_pidfd(pidfd, 1000);
  if (pidfd >= 0) close(pidfd);
}

/*
 * Init waits on the socket, or will. It says one byte through the pipe and becomes the user's program, which closes it, or
 * has said by then why it could not. Nothing else is read before init has closed the pipe: what lies in it may change until
 * then (ops_seccomp.c).
 */
int do_release(const struct op_release *op) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) < 0) return fail(STEP_RELEASE_OPEN, NULL);
  int rc = hand_pipe(str(op->path), pipe[1]);
  close(pipe[1]);
  if (rc < 0) return -1;
  char first;
  ssize_t n;
  do n = read(pipe[0], &first, 1);
  while (n < 0 && errno == EINTR);
  if (n <= 0) return n < 0 ? fail(STEP_RELEASE_READ, str(op->path)) : fail_errno(STEP_RELEASE_GONE, ESRCH, str(op->path));
  await_close(pipe[0], (pid_t)op->pid, op->start);
  fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  bool failed = read_last_word(pipe[0]);
  close(pipe[0]);
  if (failed) {
    await_end((pid_t)op->pid, op->start);
    ctx.cleanup = ctx.failure.index >= op->first && ctx.failure.index < op->end;
    return -1;
  }
  if (op->forbidden) return fail_errno(STEP_RELEASE_FORBIDDEN, 0, NULL);
  return died_as_init((pid_t)op->pid, op->start) ? fail_errno(STEP_RELEASE_DIED, 0, NULL) : 0;
}

/* The reason that init left in the memory it shares. */
static bool take_last_word(void) {
  if (!ctx.shared || ctx.shared->failure.kind != REPORT_FAILURE) return false;
  take_words(&ctx.shared->failure);
  return true;
}

/* Init has closed its end of the channel, so its end is near, if it is not another one that did that. */
int child_died(uint32_t step) {
  siginfo_t info = { 0 };
  if (ctx.pidfd >= 0) wait_pidfd(ctx.pidfd, 1000);
  if (take_last_word()) return -1;
  bool told = ctx.pidfd >= 0 && waitid(P_PIDFD, (id_t)ctx.pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  if (told && info.si_code != CLD_EXITED) {
    fail_errno(step, 0, "signal");
    ctx.failure.aux = info.si_status;
    return -1;
  }
  return fail_errno(step, 0, NULL);
}

int do_post(const struct op_post *op) {
  struct message m = { .type = MESSAGE_TOKEN, .token = (uint32_t)op->token };
  if (send_message(ctx.sync, &m, -1) == 0) return 0;
  if (ctx.list == LIST_INIT) leave(1);
  /* Init may have said why before it went. The steps of await are those of post. */
  _Static_assert(STEP_POST_DIED == (int)STEP_AWAIT_DIED, "a failed post is told as an await");
  struct op_await await = { .token = op->token };
  return do_await(&await);
}

int do_await(const struct op_await *op) {
  if (ctx.early == op->token) { /* it came while something else was waited for */
    ctx.early = 0;
    return 0;
  }
  for (;;) {
    struct message m;
    int fd;
    ssize_t n = hear(&m, &fd);
    if (n <= 0 && ctx.list == LIST_INIT) leave(1); /* the launcher is gone: so is the container */
    if (n <= 0) return n < 0 ? fail(STEP_AWAIT_RECEIVE, NULL) : child_died(STEP_AWAIT_DIED);
    if ((size_t)n == sizeof m && m.type == MESSAGE_TOKEN && m.token == op->token) return 0;
    if (ctx.distrusted) return fail_errno(STEP_AWAIT_UNEXPECTED, EPROTO, NULL);
    if (take_message(&m, fd) < 0) return -1;
  }
}

static int map_tree(const struct op_send_tree *op, int tree) {
  char path[64] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)ctx.pid);
  memcpy(path + n, "/ns/user", 9);
  int users = op->uid_map.off ? mapped_namespace(str(op->uid_map), str(op->gid_map)) : open(path, O_RDONLY | O_CLOEXEC);
  if (users < 0) return fail(STEP_SEND_TREE_USER_NAMESPACE, op->uid_map.off ? str(op->uid_map) : NULL);
  int rc = idmap_tree(tree, users, op->idmap == 2), error = errno;
  close(users);
  return rc < 0 ? fail_errno(STEP_SEND_TREE_IDMAP, error, str(op->path)) : 0;
}

/* Hands a mount over to init, and lets go of it. */
static int send_mount(int tree) {
  struct message m = { .type = MESSAGE_FD };
  int rc = send_message(ctx.sync, &m, tree), error = errno;
  close(tree);
  return errno = error, rc;
}

static int open_theirs(void) {
  char path[64] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)ctx.pid);
  memcpy(path + n, "/ns/mnt", 8);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * Root of a user namespace may not be able to reach the source of a bind mount; the host's root can. The launcher
 * visits init's mount namespace for one call: a mount of the host's own namespace could not be attached there.
 */
int do_send_tree(const struct op_send_tree *op) {
  int theirs = open_theirs(), ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (theirs < 0 || ours < 0) return fail(STEP_SEND_TREE_NAMESPACE, NULL);
  if (setns(theirs, CLONE_NEWNS) < 0) return fail(STEP_SEND_TREE_ENTER, NULL);
  unsigned flags = OPEN_TREE_CLONE | (op->recursive ? AT_RECURSIVE : 0) | (op->nofollow ? AT_SYMLINK_NOFOLLOW : 0);
  int tree = open_tree_(AT_FDCWD, str(op->path), flags), error = errno;
  if (setns(ours, CLONE_NEWNS) < 0) return fail(STEP_SEND_TREE_LEAVE, NULL);
  close(theirs);
  close(ours);
  if (tree < 0) return fail_errno(STEP_SEND_TREE_SOURCE, error, str(op->path));
  if (op->idmap && map_tree(op, tree) < 0) return -1;
  return send_mount(tree) < 0 ? fail(STEP_SEND_TREE_SEND, NULL) : 0;
}

/*
 * A device on a file system of its own, of which a bind of the device is all that stays. The kernel clones no mount that
 * is not attached (before 6.15), so it is for a moment, on the root of init's namespace, where init passes no more.
 */
static int make_device(const struct op_send_device *op) {
  int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), root = open("/", O_PATH | O_CLOEXEC), node = -1;
  int made = fs < 0 || fs_config(fs, CMD_CREATE, NULL, NULL) < 0 ? -1 : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
  char path[40];
  if (made >= 0 && root >= 0 && mknodat(made, "device", (mode_t)op->type | 0600, makedev((unsigned)op->major, (unsigned)op->minor)) == 0 &&
      fchownat(made, "device", (uid_t)op->uid, (gid_t)op->gid, AT_SYMLINK_NOFOLLOW) == 0 &&
      fchmodat(made, "device", (mode_t)op->mode, 0) == 0 && move_mount_(made, root) == 0) {
    node = open_tree_(made, "device", OPEN_TREE_CLONE);
    int error = errno;
    if (umount2(fd_path(path, made), MNT_DETACH) < 0 && node >= 0) {
      close(node);
      node = -1;
    } else errno = error;
  }
  int error = errno;
  for (int i = 0; i < 3; i++) {
    int fd = i == 0 ? fs : i == 1 ? root : made;
    if (fd >= 0) close(fd);
  }
  return errno = error, node;
}

int do_send_device(const struct op_send_device *op) {
  int theirs = open_theirs(), ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (theirs < 0 || ours < 0) return fail(STEP_SEND_DEVICE_NAMESPACE, NULL);
  if (setns(theirs, CLONE_NEWNS) < 0) return fail(STEP_SEND_DEVICE_ENTER, NULL);
  uint32_t step = STEP_SEND_DEVICE_MAKE;
  int tree = make_device(op), error = errno;
  if (tree < 0 && error == EPERM) {
    step = STEP_SEND_DEVICE_SOURCE;
    tree = open_device(str(op->path), op->type, op->major, op->minor);
    error = errno;
  }
  if (setns(ours, CLONE_NEWNS) < 0) return fail(STEP_SEND_DEVICE_LEAVE, NULL);
  close(theirs);
  close(ours);
  if (tree < 0) return fail_errno(step, error, str(op->path));
  return send_mount(tree) < 0 ? fail(STEP_SEND_DEVICE_SEND, NULL) : 0;
}
