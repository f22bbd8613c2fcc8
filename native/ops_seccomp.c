/*
 * The seccomp filter, and how its listener gets to the agent.
 *
 * After the filter is there, no call of init may be relied on: each may wait for the agent, which has not got the listener
 * yet. And init may not keep it: who waits for an agent that died is only let go when nobody has the listener open. So a
 * helper with the same descriptor table (CLONE_FILES) sends the listener to the launcher and closes it. It is not under
 * the filter, nor in the container's cgroup and pid namespace: there may be no room for it, and nobody is to see it there.
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"

/* Instead of the listener's number: nothing yet, the filter comes in a moment, there will be none. */
enum { NOT_YET = -1, SOON = -2, NEVER = -3 };

/* Where init writes the listener's number, which takes no call. */
_Atomic int *allocate_listener(void) {
  _Atomic int *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (listener == MAP_FAILED) return NULL;
  atomic_store(listener, NOT_YET);
  return listener;
}

_Noreturn void help(int sock, pid_t launcher) {
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launcher) _exit(1);
  int fd;
  while ((fd = atomic_load(ctx.listener)) == NOT_YET) syscall(SYS_futex, ctx.listener, FUTEX_WAIT, NOT_YET, NULL, NULL, 0);
  for (struct timespec pause = { 0, 50000 }; fd == SOON; fd = atomic_load(ctx.listener)) nanosleep(&pause, NULL);
  if (fd >= 0) {
    struct message m = { .type = MESSAGE_LISTENER };
    send_message(sock, &m, fd);
    close(fd);
  }
  _exit(0);
}

int do_seccomp(const struct op_seccomp *op) {
  struct sock_fprog program = { .len = (unsigned short)(op->filter.len / 8), .filter = (struct sock_filter *)(uintptr_t)str(op->filter) };
  if (op->listener) {
    atomic_store(ctx.listener, SOON);
    syscall(SYS_futex, ctx.listener, FUTEX_WAKE, 1, NULL, NULL, 0);
  }
  long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->flags, &program);
  if (op->listener) atomic_store(ctx.listener, rc < 0 ? NEVER : (int)rc);
  return rc < 0 ? fail(STEP_SECCOMP_LOAD, NULL) : 0;
}

/* Until nobody but the launcher has the listener, and nobody but init its end of the channel. */
static void await_helper(void) {
  siginfo_t info;
  while (waitid(P_PIDFD, (id_t)ctx.helper, &info, WEXITED) < 0 && errno == EINTR) {}
  close(ctx.helper);
  ctx.helper = -1;
}

static int receive_listener(void) {
  for (;;) {
    struct message m;
    int fd;
    ssize_t n = hear(&m, &fd);
    if (n <= 0) return child_died(STEP_SECCOMP_LISTENER_DIED);
    if (m.type == MESSAGE_LISTENER) return await_helper(), fd;
    if (m.type == MESSAGE_TOKEN) ctx.early = m.token;
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
