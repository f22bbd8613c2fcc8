/*
 * The seccomp filter, and how its listener gets to the agent.
 *
 * After the filter is there, no call of init may be relied on: each may wait for the agent, which has not got the listener
 * yet. And init may not keep it: who waits for an agent that died is only let go when nobody has the listener open. So a
 * helper with the same descriptor table (CLONE_FILES) sends the listener to the launcher and closes it. It is not under
 * the filter, nor in the container's cgroup and pid namespace: there may be no room for it, and nobody is to see it there.
 * It has a channel of its own to the launcher, since init's may be one by then that is not believed (ops_fork.c).
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"

/*
 * What init writes to the memory it shares with the helper, which takes no call: the listener's number, or instead of it
 * that there is nothing yet, that the filter comes in a moment, that there will be none.
 */
enum { NOT_YET = 0, SOON = -1, NEVER = -2 };
enum { AGENT_READY = -1 };

_Noreturn void help(int sock, pid_t launcher) {
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launcher) _exit(1);
  _Atomic int *listener = &ctx.shared->listener;
  int fd;
  while ((fd = atomic_load(listener)) == NOT_YET) syscall(SYS_futex, listener, FUTEX_WAIT, NOT_YET, NULL, NULL, 0);
  for (struct timespec pause = { 0, 50000 }; fd == SOON; fd = atomic_load(listener)) nanosleep(&pause, NULL);
  if (fd > 0) {
    struct message m = { .type = MESSAGE_LISTENER };
    send_message(sock, &m, fd);
    close(fd);
  }
  _exit(0);
}

/*
 * After this nothing can be said but in memory. What `start` reads from its pipe is then the page itself, which vmsplice(2)
 * has put into it as it was; what is written to it later, and before it is read, is read.
 */
static void fall_silent(void) {
  struct iovec page = { &ctx.shared->failure, sizeof ctx.shared->failure };
  if (ctx.starter < 0) ctx.silent = true;
  else ctx.silent = vmsplice(ctx.starter, &page, 1, SPLICE_F_NONBLOCK) == (ssize_t)sizeof ctx.shared->failure;
}

static void wake(_Atomic int *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }

/*
 * Where init is to wait for `start` and loads the filter last, the launcher is gone by then. So the helper remains, and is
 * the one who talks to the agent. It connects when the filter is about to be loaded: what it has open is open in init too. It goes
 * when it has handed the listener over, and also when init ends before: the kernel marks a robust futex (set_robust_list(2))
 * of a process that ends, or calls execve, and wakes who waits for it.
 */
void show_life(bool alive) {
  static struct robust_list_head head = { .list = { &head.list } };
  head.list_op_pending = NULL;
  if (!alive) return; /* it goes on as a child, which shows its own */
  atomic_store(&ctx.shared->alive, (int)((unsigned)syscall(SYS_gettid) | FUTEX_WAITERS));
  head.list_op_pending = (struct robust_list *)&ctx.shared->alive;
  syscall(SYS_set_robust_list, &head, sizeof head);
}

static bool has_ended(int alive) { return (unsigned)alive & FUTEX_OWNER_DIED; }

static void answer(int error) {
  atomic_store(&ctx.shared->agent, error);
  wake(&ctx.shared->agent);
}

/* The listener's number. Init is at execve when it is there, which may have been asked about already. */
static int await_listener(void) {
  const struct timespec pause = { 0, 50000 };
  for (;;) {
    int alive = atomic_load(&ctx.shared->alive), fd = atomic_load(&ctx.shared->listener);
    if (fd != SOON || has_ended(alive)) return fd;
    nanosleep(&pause, NULL);
  }
}

_Noreturn void help_agent(const struct op_clone *op) {
  const struct op_connect agent = { .slot = LAUNCHER_SLOTS, .path = op->agent };
  struct shared *shared = ctx.shared;
  prctl(PR_SET_DUMPABLE, 0);
  if (chdir("/") < 0) _exit(1);
  for (int alive; (alive = atomic_load(&shared->alive)), atomic_load(&shared->listener) == NOT_YET;) {
    if (has_ended(alive)) _exit(0);
    syscall(SYS_futex, &shared->alive, FUTEX_WAIT, alive, NULL, NULL, 0);
  }
  if (do_connect(&agent) < 0) {
    answer(ctx.failure.error);
    _exit(1);
  }
  size_t len;
  char *text = expand(op->agent_state, &len);
  answer(AGENT_READY);
  int fd = await_listener();
  if (fd <= 0) _exit(0);
  int sent = send_fd(slot_fd(agent.slot), text, len, fd);
  close(fd); /* it is init's too, who would wait for ever for an agent that died */
  if (sent < 0) {
    shared->failure.error = errno;
    shared->failure.kind = REPORT_FAILURE;
    kill(ctx.pid, SIGKILL); /* it has not been able to do anything yet: the agent was not there to let it */
  }
  _exit(0);
}

/* Until the helper has the agent, which is to be asked from the load on. */
static int await_agent(void) {
  const struct timespec patience = { 10, 0 };
  struct shared *shared = ctx.shared;
  shared->failure = (struct report){ .list = LIST_INIT, .index = ctx.failure.index, .step = STEP_SECCOMP_AGENT };
  atomic_store(&shared->listener, SOON);
  atomic_store(&shared->alive, (int)syscall(SYS_gettid)); /* another value than the helper waits for */
  wake(&shared->alive);
  while (atomic_load(&shared->agent) == 0)
    if (syscall(SYS_futex, &shared->agent, FUTEX_WAIT, 0, &patience, NULL, 0) < 0 && errno == ETIMEDOUT) return ETIMEDOUT;
  int error = atomic_load(&shared->agent);
  return error == AGENT_READY ? 0 : error;
}

int do_seccomp(const struct op_seccomp *op) {
  int error = op->listener && ctx.kept ? await_agent() : 0;
  if (error) return fail_errno(STEP_SECCOMP_AGENT, error, NULL);
  if (op->last) fall_silent();
  struct sock_fprog program = { .len = (unsigned short)(op->filter.len / 8), .filter = (struct sock_filter *)(uintptr_t)str(op->filter) };
  if (op->listener) {
    atomic_store(&ctx.shared->listener, SOON);
    syscall(SYS_futex, &ctx.shared->listener, FUTEX_WAKE, 1, NULL, NULL, 0);
  }
  long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->flags, &program);
  if (op->listener) atomic_store(&ctx.shared->listener, rc < 0 ? NEVER : (int)rc);
  return rc < 0 ? fail(STEP_SECCOMP_LOAD, NULL) : 0;
}

/*
 * Until nobody but the launcher has the listener, and nobody but init its end of the channel. If somebody killed the
 * helper, init would wait for ever.
 */
static void await_helper(void) {
  siginfo_t info = { 0 };
  while (waitid(P_PIDFD, (id_t)ctx.helper, &info, WEXITED) < 0 && errno == EINTR) {}
  if (info.si_code != CLD_EXITED) pidfd_signal(ctx.pidfd, SIGKILL);
  close(ctx.helper);
  ctx.helper = -1;
}

/* Init loads the filter in the end, where a container may have it do what it likes: see ops_fork.c. */
static bool is_listener(int fd) {
  char path[32] = "/proc/self/fd/", target[64];
  put_number(path + 14, (uint64_t)fd);
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return false;
  target[n] = 0;
  return !strcmp(target, "anon_inode:seccomp notify");
}

/* The helper is through: with the listener, which is 0 where there is none, for the filter could not be loaded. */
static int from_helper(void) {
  struct message m;
  int fd;
  ssize_t n = receive_message(ctx.helper_sync, &m, &fd);
  await_helper();
  close(ctx.helper_sync);
  ctx.helper_sync = -1;
  if (n <= 0 || fd < 0) return 0;
  if (m.type == MESSAGE_LISTENER && is_listener(fd)) return fd;
  close(fd);
  return fail_errno(STEP_SECCOMP_LISTENER_RECEIVE, EBADF, NULL);
}

static int receive_listener(void) {
  struct pollfd polled[3] = { { .fd = ctx.helper_sync, .events = POLLIN }, { .fd = ctx.sync, .events = POLLIN },
                              { .fd = ctx.pidfd, .events = POLLIN } };
  for (;;) {
    while (poll(polled, 3, -1) < 0 && errno == EINTR) {}
    if (polled[0].revents) {
      int fd = from_helper();
      if (fd != 0) return fd;
      polled[0].fd = -1;
      continue;
    }
    struct message m;
    int fd;
    ssize_t n = polled[1].revents ? hear(&m, &fd) : 0;
    if (n <= 0 && polled[0].fd >= 0 && atomic_load(&ctx.shared->listener) > 0) {
      polled[1].fd = polled[2].fd = -1; /* a program that has ended already: the helper is still on its way */
      continue;
    }
    if (n <= 0) return child_died(STEP_SECCOMP_LISTENER_DIED);
    if (m.type == MESSAGE_TOKEN && (size_t)n == sizeof m) ctx.early = m.token;
    else if (ctx.distrusted) return fail_errno(STEP_SECCOMP_LISTENER_RECEIVE, EPROTO, NULL);
    else if (take_message(&m, fd) < 0) return -1;
  }
}

int do_seccomp_listener(const struct op_seccomp_listener *op) {
  int listener = receive_listener();
  if (listener < 0) return -1;
  size_t len;
  char *text = expand(op->state, &len);
  int sent = send_fd(slot_fd(op->slot), text, len, listener);
  int error = errno;
  close(listener);
  set_slot(op->slot, -1);
  return sent < 0 ? fail_errno(STEP_SECCOMP_LISTENER_SEND, error, NULL) : 0;
}
