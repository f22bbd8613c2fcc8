/* Making the container's first process, and what is done to processes from outside. */
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
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

/*
 * Through the pipe of who started the container, once somebody has; before that through the channel, while that is believed.
 * Under the filter only by what is in the memory that is shared with the launcher, or that lies in the pipe.
 */
static void tell_failure(void) {
  ctx.failure.kind = REPORT_FAILURE;
  if (ctx.silent || (ctx.forked && ctx.starter < 0)) {
    ctx.shared->failure = ctx.failure;
    return;
  }
  if (ctx.starter >= 0) {
    write_all(ctx.starter, &ctx.failure, sizeof ctx.failure);
    return;
  }
  struct message m = { .type = MESSAGE_FAILURE, .report = ctx.failure };
  send_message(ctx.sync, &m, -1);
}

/* Errno of what a process was to enter because it could not be born there. */
static int not_entered;

static _Noreturn void run_init(int sock, int cgroup) {
  if (cgroup >= 0) close(cgroup);
  ctx.sync = sock;
  if (not_entered) {
    fail_errno(STEP_CLONE_CGROUP, not_entered, "cgroup.procs");
    tell_failure();
    _exit(1);
  }
  ctx.list = LIST_INIT;
  if (ctx.kept) show_life(true);
  forget_environment();
  restore_file_size();
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

/*
 * Filters that cannot look into the arguments of clone3(2) let it fail as on a kernel that has none: those of systemd's
 * RestrictNamespaces= and of older container engines. clone(2) does the same, but for the cgroup, which is entered then.
 */
static long clone3(struct clone3_args *args) {
  long pid = syscall(SYS_clone3, args, sizeof *args);
  if (pid >= 0 || errno != ENOSYS) return pid;
  unsigned long flags = (unsigned long)(args->flags & ~CLONE_INTO_CGROUP) | (unsigned long)args->exit_signal;
  pid = clone2(flags, (void *)(uintptr_t)(args->flags & CLONE_PIDFD ? args->pidfd : args->parent_tid));
  if (pid == 0 && args->flags & CLONE_INTO_CGROUP) {
    int fd = openat((int)args->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) < 0) not_entered = errno;
    if (fd >= 0) close(fd);
  }
  return pid;
}

/*
 * Namespaces that a container's user namespace does not own can be joined only with the host's rights, so before it is
 * entered; those that it does own take its own rights, as is still the turn of init. Mounts and pids come later.
 */
static unsigned foreign_slots(const struct op_clone *op) {
  unsigned found = 0;
  if (op->userns < 0 && !(op->flags & CLONE_NEWUSER)) return 0;
  for (int i = 0; i < 8; i++) {
    if (ctx.slots[i] < 0 || i == op->userns) continue;
    int type = ioctl(ctx.slots[i], NS_GET_NSTYPE);
    if (type == CLONE_NEWNET || type == CLONE_NEWIPC || type == CLONE_NEWUTS) found |= 1u << i;
  }
  return found;
}

static bool joins(const struct op_clone *op) { return op->userns >= 0 || foreign_slots(op); }

/*
 * A user namespace that is joined must own the namespaces that are new, so it is entered by a process in between, whose
 * child becomes ours by CLONE_PARENT. That child is born in the cgroup of the one in between. A pid namespace that is
 * joined is none of its business: init goes there last of all, see ops_fork.c.
 * The helper for a seccomp listener is such a process too. It stays out of the cgroup, whose limit it may not fit into.
 */
static _Noreturn void run_between(const struct op_clone *op, int sock, int cgroup, pid_t launcher) {
  struct message m = { .type = MESSAGE_BORN };
  struct clone3_args args = { .flags = op->flags | CLONE_PARENT | CLONE_PARENT_SETTID, .parent_tid = (uintptr_t)ctx.born };
  ctx.helped = op->helper;
  ctx.kept = op->agent.off != 0;
  if (op->helper) args.flags |= CLONE_FILES;
  if (op->helper && cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup;
  }
  unsigned foreign = foreign_slots(op);
  for (int i = 0; i < 8; i++)
    if ((foreign >> i & 1) && setns(slot_fd(i), 0) == 0) ctx.joined |= 1u << i;
  if (op->userns >= 0 && setns(slot_fd(op->userns), CLONE_NEWUSER) < 0) fail(STEP_CLONE_SETNS_USER, NULL);
  else {
    if (joins(op)) prctl(PR_SET_DUMPABLE, 0); /* entering a user namespace may set it to fs.suid_dumpable */
    long pid = clone3(&args);
    if (pid == 0) run_init(sock, cgroup);
    if (pid > 0) {
      send_message(sock, &m, -1);
      ctx.pid = (pid_t)pid;
      if (ctx.kept) help_agent(op);
      if (op->helper) help(ctx.helper_sync, launcher);
      _exit(0);
    }
    fail(STEP_CLONE_CLONE, str(op->cgroup));
  }
  m.type = MESSAGE_FAILURE;
  m.report = ctx.failure;
  send_message(sock, &m, -1);
  _exit(1);
}

/* Init may be quicker than its maker: what it says before it is known to be there may be why it has ended already. */
static int adopt_grandchild(int between, bool stays) {
  struct message m = { 0 };
  siginfo_t info;
  int fd;
  bool failed = false;
  ctx.helper = stays ? between : -1;
  while (m.type != MESSAGE_BORN && hear(&m, &fd) > 0) {
    if (m.type == MESSAGE_TOKEN) ctx.early = m.token;
    else if (take_message(&m, fd) < 0) failed = true;
  }
  if (m.type != MESSAGE_BORN && !failed) fail_errno(STEP_CLONE_CLONE, ECHILD, NULL);
  if (!stays) {
    waitid(P_PIDFD, (id_t)between, &info, WEXITED);
    close(between);
  }
  if (m.type != MESSAGE_BORN) return -1;
  struct report why = ctx.failure;
  if (take_born(STEP_CLONE_CLONE) < 0) return -1;
  if (failed) ctx.failure = why;
  return failed ? -1 : 0;
}

int do_clone(const struct op_clone *op) {
  struct clone3_args args = { .flags = op->flags | CLONE_PIDFD, .exit_signal = SIGCHLD };
  int pidfd = -1, socks[2], helper_socks[2] = { -1, -1 }, cgroup = -1;
  bool between = joins(op) || op->helper;
  if (op->cgroup.off) {
    cgroup = open(str(op->cgroup), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup < 0) return fail(STEP_CLONE_CGROUP, str(op->cgroup));
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup;
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) return fail(STEP_CLONE_SOCKETPAIR, NULL);
  args.pidfd = (uintptr_t)&pidfd;
  if (between) args.flags &= CLONE_PIDFD | (op->helper ? 0 : CLONE_INTO_CGROUP);
  pid_t launcher = op->helper ? getpid() : 0;
  if (share_memory(between || op->forks) < 0) return fail(STEP_CLONE_CLONE, NULL);
  if (op->helper && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, helper_socks) < 0) return fail(STEP_CLONE_SOCKETPAIR, NULL);
  /*
   * Without root the launcher may write init's id maps only while the files in /proc/PID are the user's, that is, init
   * is dumpable. There is no container yet that it could share a namespace with; becomeRoot ends this.
   */
  bool unprivileged = !joins(op) && (op->flags & CLONE_NEWUSER) && geteuid() != 0;
  if (unprivileged) prctl(PR_SET_DUMPABLE, 1);
  long pid = clone3(&args);
  if (unprivileged && pid != 0) prctl(PR_SET_DUMPABLE, 0);
  if (pid == 0) {
    close(socks[0]);
    if (op->helper) close(helper_socks[0]);
    ctx.helper_sync = helper_socks[1];
    if (between) run_between(op, socks[1], cgroup, launcher);
    run_init(socks[1], cgroup);
  }
  int error = errno;
  close(socks[1]);
  if (op->helper) close(helper_socks[1]);
  ctx.helper_sync = helper_socks[0];
  if (cgroup >= 0) close(cgroup);
  if (pid < 0) return fail_errno(STEP_CLONE_CLONE, error, str(op->cgroup));
  ctx.sync = socks[0];
  if (between) {
    if (adopt_grandchild(pidfd, op->helper) < 0) return -1;
  } else {
    ctx.pid = (pid_t)pid;
    ctx.pidfd = pidfd;
    if (read_start(ctx.pid, &ctx.start, NULL) < 0) return fail(STEP_CLONE_CLONE, NULL);
  }
  return 0;
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
