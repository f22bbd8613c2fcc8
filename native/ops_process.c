/* Making the container's first process, and what the launcher does to it from outside. */
#include <poll.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define PROC_SUPER_MAGIC 0x9fa0

struct clone3_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* Through the FIFO once start let init go on, before that through the channel. */
static void tell_failure(void) {
  ctx.failure.kind = REPORT_FAILURE;
  if (ctx.fifo >= 0) {
    write_all(ctx.fifo, &ctx.failure, sizeof ctx.failure);
    return;
  }
  struct message m = { .type = MESSAGE_FAILURE, .report = ctx.failure };
  send_message(ctx.sync, &m, -1);
}

static _Noreturn void run_init(int sock) {
  ctx.sync = sock;
  ctx.list = LIST_INIT;
  close(ctx.program_fd);
  for (int i = LAUNCHER_SLOTS; i < SLOTS; i++) set_slot(i, -1);
  /* Opened before anything of the container can be in the way, and proven to be procfs (CVE-2025-52881). */
  ctx.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct statfs fs;
  if (ctx.proc < 0 || fstatfs(ctx.proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
    fail_errno(0, ENOENT, "/proc of the host is no procfs");
    tell_failure();
    _exit(1);
  }
  if (!run_list(LIST_INIT)) tell_failure();
  leave(1);
}

static long clone3(struct clone3_args *args) { return syscall(SYS_clone3, args, sizeof *args); }

/*
 * Namespaces that a container's user namespace does not own can be joined only with the host's rights, so before it is
 * entered; those that it does own take its own rights, as is still the turn of init. Mounts and pids come later.
 */
static unsigned foreign_slots(const struct op_clone *op) {
  unsigned found = 0;
  if (op->userns < 0 && !(op->flags & CLONE_NEWUSER)) return 0;
  for (int i = 0; i < 8; i++) {
    if (ctx.slots[i] < 0 || i == op->userns || i == op->pidns) continue;
    int type = ioctl(ctx.slots[i], NS_GET_NSTYPE);
    if (type == CLONE_NEWNET || type == CLONE_NEWIPC || type == CLONE_NEWUTS) found |= 1u << i;
  }
  return found;
}

/*
 * A user namespace that is joined must own the namespaces that are new, so it is entered by a process in between, whose
 * child becomes ours by CLONE_PARENT. That child is born in the cgroup of the one in between. A pid namespace is entered
 * in the same way: hooks are the host's, and the launcher's children must not be born where the container can see and
 * kill them; without root of the host there would be no way back.
 */
static _Noreturn void run_between(const struct op_clone *op, int sock) {
  struct message m = { .type = MESSAGE_PID };
  struct clone3_args args = { .flags = op->flags | CLONE_PARENT };
  unsigned foreign = foreign_slots(op);
  for (int i = 0; i < 8; i++)
    if ((foreign >> i & 1) && setns(slot_fd(i), 0) == 0) ctx.joined |= 1u << i;
  if (op->userns >= 0 && setns(slot_fd(op->userns), CLONE_NEWUSER) < 0) fail(STEP_CLONE_SETNS_USER, NULL);
  else if (op->pidns >= 0 && setns(slot_fd(op->pidns), CLONE_NEWPID) < 0) fail(STEP_CLONE_SETNS_PID, NULL);
  else {
    prctl(PR_SET_DUMPABLE, 0); /* entering a user namespace may set it to fs.suid_dumpable */
    long pid = clone3(&args);
    if (pid == 0) run_init(sock);
    if (pid > 0) {
      m.token = (uint32_t)pid;
      send_message(sock, &m, -1);
      _exit(0);
    }
    fail(STEP_CLONE_CLONE, NULL);
  }
  m.type = MESSAGE_FAILURE;
  m.report = ctx.failure;
  send_message(sock, &m, -1);
  _exit(1);
}

static int adopt_grandchild(pid_t between) {
  struct message m;
  siginfo_t info;
  if (receive_message(ctx.sync, &m, NULL) <= 0) return fail(STEP_CLONE_CLONE, NULL);
  waitid(P_PID, (id_t)between, &info, WEXITED);
  if (m.type == MESSAGE_FAILURE) {
    ctx.failure = m.report;
    return -1;
  }
  ctx.pid = (pid_t)m.token;
  ctx.pidfd = pidfd_open_(ctx.pid);
  return ctx.pidfd < 0 ? fail(STEP_CLONE_CLONE, NULL) : 0;
}

int do_clone(const struct op_clone *op) {
  struct clone3_args args = { .flags = op->flags | CLONE_PIDFD, .exit_signal = SIGCHLD };
  int pidfd = -1, socks[2], cgroup = -1;
  bool between = op->userns >= 0 || op->pidns >= 0 || foreign_slots(op);
  if (op->cgroup.off) {
    cgroup = open(str(op->cgroup), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup < 0) return fail(STEP_CLONE_CGROUP, str(op->cgroup));
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup;
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) return fail(STEP_CLONE_SOCKETPAIR, NULL);
  args.pidfd = (uintptr_t)&pidfd;
  if (between) args.flags &= CLONE_PIDFD | CLONE_INTO_CGROUP;
  /*
   * Without root the launcher may write init's id maps only while the files in /proc/PID are the user's, that is, init
   * is dumpable. There is no container yet that it could share a namespace with; becomeRoot ends this.
   */
  bool unprivileged = !between && (args.flags & CLONE_NEWUSER) && geteuid() != 0;
  if (unprivileged) prctl(PR_SET_DUMPABLE, 1);
  long pid = clone3(&args);
  if (unprivileged && pid != 0) prctl(PR_SET_DUMPABLE, 0);
  if (pid == 0) {
    close(socks[0]);
    if (cgroup >= 0) close(cgroup);
    if (between) run_between(op, socks[1]);
    run_init(socks[1]);
  }
  int error = errno;
  close(socks[1]);
  if (cgroup >= 0) close(cgroup);
  if (pid < 0) return fail_errno(STEP_CLONE_CLONE, error, NULL);
  ctx.sync = socks[0];
  if (between) {
    close(pidfd);
    if (adopt_grandchild((pid_t)pid) < 0) return -1;
  } else {
    ctx.pid = (pid_t)pid;
    ctx.pidfd = pidfd;
  }
  return read_start(ctx.pid, &ctx.start, NULL) < 0 ? fail(STEP_CLONE_CLONE, NULL) : 0;
}

int do_child_write(const struct op_child_write *op) {
  char path[128] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)ctx.pid);
  path[n++] = '/';
  if (op->file.len > sizeof path - 32) return fail_errno(STEP_CHILD_WRITE_OPEN, ENAMETOOLONG, str(op->file));
  memcpy(path + n, str(op->file), op->file.len + 1);
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return ignored(op->ignore, errno) ? 0 : fail(STEP_CHILD_WRITE_OPEN, path);
  size_t len;
  char *text = expand(op->text, &len);
  ssize_t rc = write(fd, text, len); /* one write: id maps are taken whole or not at all */
  int error = errno;
  close(fd);
  return rc < 0 && !ignored(op->ignore, error) ? fail_errno(STEP_CHILD_WRITE_WRITE, error, path) : 0;
}

int do_prlimit(const struct op_prlimit *op) {
  uint64_t now[2];
  if (syscall(SYS_prlimit64, ctx.pid, (int)op->resource, NULL, now) < 0) return fail(STEP_PRLIMIT_PRLIMIT, NULL);
  if (now[1] >= op->hard) return 0;
  now[1] = op->hard;
  return syscall(SYS_prlimit64, ctx.pid, (int)op->resource, now, NULL) < 0 ? fail(STEP_PRLIMIT_PRLIMIT, NULL) : 0;
}

int do_open_pidfd(const struct op_open_pidfd *op) {
  int pidfd = pidfd_open_((pid_t)op->pid);
  if (pidfd < 0) return fail(STEP_OPEN_PIDFD_OPEN, NULL);
  uint64_t start;
  char state = 0;
  if (read_start((pid_t)op->pid, &start, &state) < 0 || start != op->start || state == 'Z' || state == 'X') {
    close(pidfd);
    return fail_errno(STEP_OPEN_PIDFD_GONE, ESRCH, NULL);
  }
  return set_slot(op->slot, pidfd);
}

int do_signal(const struct op_signal *op) {
  int pidfd = pidfd_open_((pid_t)op->pid);
  if (pidfd < 0) return ignored(op->ignore, errno) ? 0 : fail(STEP_SIGNAL_OPEN, NULL);
  uint64_t start;
  char state = 0;
  int error = 0;
  uint32_t step = STEP_SIGNAL_GONE;
  /* The pidfd is held: if its start time is the one we know, the signal cannot reach another process. */
  if (read_start((pid_t)op->pid, &start, &state) < 0 || start != op->start || state == 'Z' || state == 'X') error = ESRCH;
  else if (pidfd_signal(pidfd, (int)op->signal) < 0) {
    error = errno;
    step = STEP_SIGNAL_SEND;
  } else if (op->wait_ms && wait_pidfd(pidfd, (int64_t)op->wait_ms) != 1) {
    error = ETIMEDOUT;
    step = STEP_SIGNAL_WAIT;
  }
  close(pidfd);
  return error && !ignored(op->ignore, error) ? fail_errno(step, error, NULL) : 0;
}

/* Still tsrunc-init, which may not have come to the FIFO yet: create does not wait for that. */
static bool is_waiting_init(pid_t pid, uint64_t expected) {
  uint64_t start;
  char path[32] = "/proc/", name[32], state = 0;
  if (read_start(pid, &start, &state) < 0 || start != expected || state == 'Z' || state == 'X') return false;
  int n = 6 + put_number(path + 6, (uint64_t)pid);
  memcpy(path + n, "/comm", 6);
  return read_file(AT_FDCWD, path, name, sizeof name) > 0 && !strcmp(name, "tsrunc-init\n");
}

/*
 * Init closes its end by exec, but by being killed before that too. The name in stat is init's until exec, also of a
 * zombie; a process on its way out has PF_EXITING (field 9, include/linux/sched.h) before it closes its files.
 */
static bool died_as_init(pid_t pid) {
  char path[32] = "/proc/", buf[1024];
  int n = 6 + put_number(path + 6, (uint64_t)pid);
  memcpy(path + n, "/stat", 6);
  if (read_file(AT_FDCWD, path, buf, sizeof buf) < 0) return false; /* gone: whatever it was */
  char *at = strchr(buf, '(');
  if (!at || strncmp(at, "(tsrunc-init) ", 14)) return false;
  at += 14;
  if (*at == 'Z' || *at == 'X') return true;
  for (int field = 3; field < 9 && at; field++) at = strchr(at + 1, ' ');
  uint64_t flags = 0;
  for (at = at ? at + 1 : buf + strlen(buf); *at >= '0' && *at <= '9'; at++) flags = flags * 10 + (uint64_t)(*at - '0');
  return flags & 4;
}

/*
 * Init is blocked opening the FIFO for writing. It counts as a writer while it is, so an open that does not
 * wait tells at once whether it is there: EAGAIN from read, or end of file. It then says one byte and becomes
 * the user's program, which closes the FIFO, or says why it could not.
 */
int do_release(const struct op_release *op) {
  int fd = open(str(op->path), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(STEP_RELEASE_OPEN, str(op->path));
  char first;
  ssize_t n = read(fd, &first, 1);
  for (int tries = 0; n == 0 && tries < 10000 && is_waiting_init((pid_t)op->pid, op->start); tries++) {
    struct timespec pause = { 0, tries < 50 ? 50000 : 2000000 };
    nanosleep(&pause, NULL);
    n = read(fd, &first, 1);
  }
  if (n == 0) return fail_errno(STEP_RELEASE_GONE, ESRCH, str(op->path));
  int error = errno;
  fcntl(fd, F_SETFL, 0); /* from here on it waits: for the first byte, and for the end */
  if (n < 0) {
    if (error != EAGAIN) return fail_errno(STEP_RELEASE_READ, error, str(op->path));
    do n = read(fd, &first, 1);
    while (n < 0 && errno == EINTR);
  }
  if (n == 0) return fail_errno(STEP_RELEASE_GONE, ESRCH, str(op->path));
  struct report r;
  size_t got = 0;
  while (got < sizeof r) {
    n = read(fd, (char *)&r + got, sizeof r - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += (size_t)n;
    if (((struct report *)&r)->kind == REPORT_WARNING && got == sizeof r) {
      warn_or_report(REPORT_WARNING, &r);
      got = 0;
    }
  }
  close(fd);
  if (got < sizeof r) return died_as_init((pid_t)op->pid) ? fail_errno(STEP_RELEASE_DIED, 0, NULL) : 0;
  ctx.failure = r;
  return -1;
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

int child_died(uint32_t step) {
  siginfo_t info = { 0 };
  if (ctx.pidfd >= 0 && waitid(P_PIDFD, (id_t)ctx.pidfd, &info, WEXITED | WNOWAIT) == 0 && info.si_code != CLD_EXITED) {
    fail_errno(step, 0, "signal");
    ctx.failure.aux = info.si_status;
    return -1;
  }
  return fail_errno(step, 0, NULL);
}

/*
 * A process that enters a running container is seen by the processes in there from the moment it is in their pid
 * namespace, and one of them may have CAP_SYS_PTRACE. So all that needs the host's rights is done before this, in the
 * host's pid namespace; the child that is born into the other has nothing that the user's process will not have.
 * clone(2), which profiles allow that forbid clone3(2): a filter may be in force already.
 */
int do_fork(const struct op_fork *op) {
  (void)op;
  int gate[2];
  close_directories();
  if (pipe2(gate, O_CLOEXEC) < 0) return fail(STEP_FORK_FORK, NULL);
  long pid = syscall(SYS_clone, (unsigned long)CLONE_PARENT, NULL, NULL, NULL, 0ul);
  if (pid < 0) return fail(STEP_FORK_FORK, NULL);
  if (pid == 0) { /* what it says must come after its pid: it waits for the end of its maker */
    char none;
    close(gate[1]);
    while (read(gate[0], &none, 1) < 0 && errno == EINTR) {}
    close(gate[0]);
    return 0;
  }
  struct message m = { .type = MESSAGE_PID, .token = (uint32_t)pid };
  send_message(ctx.sync, &m, -1);
  _exit(0);
}

int do_adopt(const struct op_adopt *op) {
  (void)op;
  for (;;) {
    struct message m;
    siginfo_t info;
    int fd;
    ssize_t n = receive_message(ctx.sync, &m, &fd);
    if (n <= 0) return n < 0 ? fail(STEP_ADOPT_RECEIVE, NULL) : child_died(STEP_ADOPT_DIED);
    if (m.type == MESSAGE_FD) ctx.pty = fd;
    else if (m.type == MESSAGE_WARNING) warn_or_report(REPORT_WARNING, &m.report);
    else if (m.type == MESSAGE_FAILURE) {
      ctx.failure = m.report;
      return -1;
    } else if (m.type == MESSAGE_PID) {
      while (waitid(P_PIDFD, (id_t)ctx.pidfd, &info, WEXITED) < 0 && errno == EINTR) {}
      close(ctx.pidfd);
      ctx.pid = (pid_t)m.token;
      ctx.pidfd = pidfd_open_(ctx.pid);
      if (ctx.pidfd < 0 || read_start(ctx.pid, &ctx.start, NULL) < 0) return fail(STEP_ADOPT_OPEN, NULL);
      return 0;
    }
  }
}

int do_await(const struct op_await *op) {
  if (op->token && ctx.early == op->token) { /* it came while something else was waited for */
    ctx.early = 0;
    return 0;
  }
  for (;;) {
    struct message m;
    int fd;
    ssize_t n = receive_message(ctx.sync, &m, &fd);
    if (n <= 0 && ctx.list == LIST_INIT) leave(1); /* the launcher is gone: so is the container */
    if (n <= 0 && op->token == 0) return died_as_init(ctx.pid) ? child_died(STEP_AWAIT_DIED) : 0; /* closed by exec */
    if (n <= 0) return n < 0 ? fail(STEP_AWAIT_RECEIVE, NULL) : child_died(STEP_AWAIT_DIED);
    if (m.type == MESSAGE_TOKEN && m.token == op->token) return 0;
    if (m.type == MESSAGE_FD) ctx.pty = fd;
    else if (m.type == MESSAGE_WARNING) warn_or_report(REPORT_WARNING, &m.report);
    else if (m.type == MESSAGE_FAILURE) {
      ctx.failure = m.report;
      return -1;
    }
  }
}

int do_subreaper(const struct op_subreaper *op) {
  (void)op;
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? fail(STEP_SUBREAPER_PRCTL, NULL) : 0;
}

int do_block_signals(const struct op_block_signals *op) {
  (void)op;
  uint64_t all = ~0ull;
  long rc = syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, sizeof all);
  return rc < 0 ? fail(STEP_BLOCK_SIGNALS_SIGPROCMASK, NULL) : 0;
}

int do_rlimit(const struct op_rlimit *op) {
  uint64_t limit[2] = { op->soft, op->hard }, now[2];
  if (op->hard == UINT64_MAX - 1) { /* keep the hard limit: only the soft one is to be put back */
    if (syscall(SYS_prlimit64, 0, (int)op->resource, NULL, now) < 0) return fail(STEP_RLIMIT_SETRLIMIT, NULL);
    limit[1] = now[1];
    if (limit[0] > limit[1]) limit[0] = limit[1];
  }
  long rc = syscall(SYS_prlimit64, 0, (int)op->resource, limit, NULL);
  return rc < 0 ? fail(STEP_RLIMIT_SETRLIMIT, NULL) : 0;
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

/*
 * Root of a user namespace may not be able to reach the source of a bind mount; the host's root can. The launcher
 * visits init's mount namespace for one call: a mount of the host's own namespace could not be attached there.
 */
int do_send_tree(const struct op_send_tree *op) {
  char path[64] = "/proc/";
  int n = 6 + put_number(path + 6, (uint64_t)ctx.pid);
  memcpy(path + n, "/ns/mnt", 8);
  int theirs = open(path, O_RDONLY | O_CLOEXEC), ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (theirs < 0 || ours < 0) return fail(STEP_SEND_TREE_NAMESPACE, NULL);
  if (setns(theirs, CLONE_NEWNS) < 0) return fail(STEP_SEND_TREE_ENTER, NULL);
  unsigned flags = 1u /* OPEN_TREE_CLONE */ | (op->recursive ? 0x8000u : 0) | (op->nofollow ? AT_SYMLINK_NOFOLLOW : 0);
  int tree = open_tree_(AT_FDCWD, str(op->path), flags), error = errno;
  if (setns(ours, CLONE_NEWNS) < 0) return fail(STEP_SEND_TREE_LEAVE, NULL);
  close(theirs);
  close(ours);
  if (tree < 0) return fail_errno(STEP_SEND_TREE_SOURCE, error, str(op->path));
  if (op->idmap && map_tree(op, tree) < 0) return -1;
  struct message m = { .type = MESSAGE_FD };
  int rc = send_message(ctx.sync, &m, tree);
  error = errno;
  close(tree);
  return rc < 0 ? fail_errno(STEP_SEND_TREE_SEND, error, NULL) : 0;
}
