/*
 * The seccomp filter, and how its listener gets to the agent.
 *
 * After the filter is there, no call of init may be relied on: each may wait for the agent, which has not got the listener
 * yet. And init may not keep it: who waits for an agent that died is only let go when nobody has the listener open. So a
 * helper, forked before the filter is loaded and not under it, with the same descriptor table as init (CLONE_FILES), sends
 * the listener to the launcher and closes it.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include "init.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

enum { NOT_YET = -1, NEVER = -2 };

static void pause_us(long us) {
  struct timespec pause = { 0, us * 1000 };
  nanosleep(&pause, NULL);
}

static _Noreturn void help(const _Atomic int *listener, pid_t init) {
  int fd;
  while ((fd = atomic_load(listener)) == NOT_YET && getppid() == init) pause_us(50);
  if (fd >= 0) {
    struct message m = { .type = MESSAGE_LISTENER };
    send_message(ctx.sync, &m, fd);
    close(fd);
  }
  _exit(0);
}

/*
 * Where init is to write the listener's number, which takes no call; NULL where no helper can be had. The kernel takes the
 * helper away (SA_NOCLDWAIT, until exec sets it back): nobody in the container is to find a zombie or get its SIGCHLD.
 */
static _Atomic int *start_helper(void) {
  _Atomic int *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (listener == MAP_FAILED) return NULL;
  atomic_store(listener, NOT_YET);
  struct sigaction reap = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
  sigaction(SIGCHLD, &reap, NULL);
  pid_t init = getpid();
  int pidfd = -1;
  long pid = syscall(SYS_clone, (unsigned long)(CLONE_FILES | CLONE_PIDFD | SIGCHLD), NULL, &pidfd, NULL, 0ul);
  if (pid == 0) help(listener, init);
  if (pid < 0) return NULL;
  struct message m = { .type = MESSAGE_HELPER };
  send_message(ctx.sync, &m, pidfd);
  close(pidfd);
  return listener;
}

/*
 * Without a helper (a limit of one process): the listener gets the lowest free number, which is told before the filter is
 * there, and the launcher takes it from outside.
 */
static void announce_number(void) {
  int probe = dup(ctx.sync);
  if (probe >= 0) close(probe);
  struct message m = { .type = MESSAGE_NUMBER, .token = (uint32_t)probe };
  send_message(ctx.sync, &m, -1);
}

int do_seccomp(const struct op_seccomp *op) {
  struct sock_fprog program = { .len = (unsigned short)(op->filter.len / 8), .filter = (struct sock_filter *)(uintptr_t)str(op->filter) };
  _Atomic int *listener = op->listener ? start_helper() : NULL;
  if (op->listener && !listener) announce_number();
  long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->flags, &program);
  if (listener) atomic_store(listener, rc < 0 ? NEVER : (int)rc);
  return rc < 0 ? fail(STEP_SECCOMP_LOAD, NULL) : 0;
}

/* Until its parent has no child of that name: nothing is left to be seen when the user's program comes. */
static void await_end(int pidfd) {
  wait_pidfd(pidfd, 1000);
  for (int tries = 0; tries < 1000 && (pidfd_signal(pidfd, 0) == 0 || errno == EPERM); tries++) pause_us(100);
  close(pidfd);
}

static int take_listener(int number) {
  bool told = false; /* something came after the number: the filter is there, or it never will be */
  for (;;) {
    int listener = (int)syscall(SYS_pidfd_getfd, ctx.pidfd, number, 0);
    if (listener >= 0) return listener;
    if (errno != EBADF && errno != ESRCH) return fail(STEP_SECCOMP_LISTENER_GETFD, NULL);
    if (told) {
      struct message m;
      if (receive_message(ctx.sync, &m, NULL) <= 0 || m.type != MESSAGE_FAILURE) return child_died(STEP_SECCOMP_LISTENER_DIED);
      ctx.failure = m.report;
      return -1;
    }
    struct pollfd sync = { .fd = ctx.sync, .events = POLLIN };
    told = poll(&sync, 1, 1) > 0;
  }
}

static int receive_listener(void) {
  int helper = -1;
  for (;;) {
    struct message m;
    int fd;
    ssize_t n = receive_message(ctx.sync, &m, &fd);
    if (n <= 0) return child_died(STEP_SECCOMP_LISTENER_DIED);
    switch (m.type) {
      case MESSAGE_NUMBER: return take_listener((int)m.token);
      case MESSAGE_HELPER: helper = fd; break;
      case MESSAGE_LISTENER: await_end(helper); return fd;
      case MESSAGE_FD: ctx.pty = fd; break; /* the terminal comes on the same way */
      case MESSAGE_TOKEN: ctx.early = m.token; break;
      case MESSAGE_WARNING: warn_or_report(REPORT_WARNING, &m.report); break;
      case MESSAGE_FAILURE: ctx.failure = m.report; return -1;
    }
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
