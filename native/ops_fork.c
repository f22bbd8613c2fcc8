/*
 * The child that enters a container's pid namespace, and what the launcher believes of it.
 *
 * From the moment a process is in a pid namespace the processes there see it, and one of them may have CAP_SYS_PTRACE:
 * it can take the child's descriptors, write to its memory and make any call in its name. Therefore
 *
 *  - the fork comes when all is done that takes more rights than the user's program will have, and nothing is open in the
 *    child but the standard streams, what the caller passes on, and its end of the channel;
 *  - the kernel tells the launcher who the child is: it writes the pid to memory that the child does not get, and the
 *    launcher takes only what waitid(2) says is a child of its own;
 *  - what comes over the channel after MESSAGE_FORK can say that the child is ready, and end the program, no more. No
 *    descriptor is accepted any longer;
 *  - the maker is let go on by the kernel when the child has called execve or has ended (CLONE_VFORK), so its end is the
 *    word for that. Somebody who keeps the child's end of the channel open holds nobody up.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"

#define LARGEST_PAGE 65536

/* Both parts are only memory once they are written to. The second one is that of the pid. */
int share_memory(bool births) {
  size_t size = births ? 2 * LARGEST_PAGE : LARGEST_PAGE;
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -1;
  ctx.shared = (struct shared *)memory;
  if (births) ctx.born = (_Atomic pid_t *)(memory + LARGEST_PAGE);
  return 0;
}

/* For a process that is to have nothing of it. */
void drop_shared(void) {
  if (ctx.shared) munmap(ctx.shared, ctx.born ? 2 * LARGEST_PAGE : LARGEST_PAGE);
}

int do_fork(const struct op_fork *op) {
  atomic_store(ctx.born, 0);
  struct message m = { .type = MESSAGE_FORK };
  if (madvise((void *)ctx.born, LARGEST_PAGE, MADV_DONTFORK) < 0) return fail(STEP_FORK_MADVISE, NULL);
  if (send_message(ctx.sync, &m, -1) < 0) return fail(STEP_FORK_SEND, NULL);
  ctx.forked = true;
  if (ctx.kept) show_life(false);
  unsigned long flags = CLONE_PARENT | CLONE_PARENT_SETTID;
  if (op->stays) flags |= CLONE_VFORK;
  if (ctx.helped) flags |= CLONE_FILES; /* the helper shares the descriptors of both */
  long pid = clone2(flags, ctx.born); /* which profiles allow that forbid clone3(2): a filter may be in force already */
  if (pid < 0) return fail(STEP_FORK_FORK, NULL);
  if (pid > 0) leave(0);
  if (ctx.kept) show_life(true);
  return 0;
}

/* The child whose pid the kernel has written, if it is a child of this process: no other can have that pid then. */
int take_born(uint32_t step) {
  pid_t pid = ctx.born ? atomic_load(ctx.born) : 0;
  siginfo_t info;
  if (pid <= 0) return fail_errno(step, ECHILD, NULL);
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return fail(step, NULL);
  int pidfd = pidfd_open_(pid);
  if (pidfd < 0) return fail(step, NULL);
  ctx.pid = pid;
  ctx.pidfd = pidfd;
  return read_start(pid, &ctx.start, NULL) < 0 ? fail(step, NULL) : 0;
}

/* Whoever traces a process can keep its status from us (ptrace(2)), but not its end. */
static void stop(int *pidfd) {
  if (*pidfd < 0) return;
  pidfd_signal(*pidfd, SIGKILL);
  wait_pidfd(*pidfd, -1);
  siginfo_t info;
  waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG);
  close(*pidfd);
  *pidfd = -1;
}

/* Kills the container's first process and takes its status, so that nothing is left of a failed create. */
int stop_child(void) {
  stop(&ctx.maker);
  stop(&ctx.pidfd);
  stop(&ctx.helper);
  /* Those are gone who may have made one more. */
  if (ctx.born && atomic_load(ctx.born) > 0 && atomic_load(ctx.born) != ctx.pid && take_born(0) == 0) stop(&ctx.pidfd);
  return 0;
}

/*
 * Where the maker remains until the child is the user's program, the sign is the first word of the child, or of the helper.
 * Otherwise it is the maker's end.
 */
static void await_birth(bool stays) {
  struct pollfd polled[3] = { { .fd = ctx.maker, .events = POLLIN }, { .fd = stays ? ctx.sync : -1, .events = POLLIN },
                              { .fd = stays ? ctx.helper_sync : -1, .events = POLLIN } };
  const struct timespec pause = { 0, 50000 };
  while (!stays || atomic_load(ctx.born) == 0) {
    int rc = poll(polled, 3, -1);
    if (rc > 0 && (polled[0].revents || atomic_load(ctx.born) != 0)) return;
    if (rc > 0) nanosleep(&pause, NULL); /* a word from the container before the kernel has written who came into it */
  }
}

int do_adopt(const struct op_adopt *op) {
  while (!ctx.distrusted) { /* it may have been read while the listener was waited for */
    struct message m;
    int fd;
    ssize_t n = hear(&m, &fd);
    if (n <= 0) return n < 0 ? fail(STEP_ADOPT_RECEIVE, NULL) : child_died(STEP_ADOPT_DIED);
    if (take_message(&m, fd) < 0) return -1;
  }
  ctx.maker = ctx.pidfd;
  ctx.pidfd = -1;
  ctx.pid = 0;
  await_birth(op->stays);
  if (atomic_load(ctx.born) == 0) {
    ctx.pidfd = ctx.maker;
    ctx.maker = -1;
    return child_died(STEP_ADOPT_DIED);
  }
  if (!op->stays) {
    siginfo_t info;
    waitid(P_PIDFD, (id_t)ctx.maker, &info, WEXITED);
    close(ctx.maker);
    ctx.maker = -1;
  }
  return take_born(STEP_ADOPT_CHILD);
}

static bool has_executed(void) {
  struct process process;
  return read_process(ctx.pid, &process) < 0 || !(process.flags & PROCESS_NOT_EXECUTED);
}

/*
 * By the maker's end. If it was not killed the child has given up its memory, by execve or on its way out, which is marked
 * before; until it can be waited for, the one looks like the other. The mark that execve clears goes only after that.
 */
static bool maker_saw_exec(void) {
  siginfo_t maker = { 0 };
  struct process child;
  while (waitid(P_PIDFD, (id_t)ctx.maker, &maker, WEXITED) < 0 && errno == EINTR) {}
  close(ctx.maker);
  ctx.maker = -1;
  if (maker.si_code != CLD_EXITED || maker.si_status != 0) return false;
  return read_process(ctx.pid, &child) == 0 && !(child.flags & PROCESS_EXITING);
}

/* Where the filter lets nothing be executed that is the reason, whatever is left to be seen of the end. */
static int not_executed(const struct op_await_exec *op) {
  return child_died(op->forbidden ? STEP_AWAIT_EXEC_FORBIDDEN : STEP_AWAIT_EXEC_DIED);
}

int do_await_exec(const struct op_await_exec *op) {
  if (ctx.maker >= 0) return maker_saw_exec() || has_executed() ? 0 : not_executed(op);
  for (;;) {
    struct message m;
    int fd;
    ssize_t n = hear(&m, &fd);
    if (n < 0) return fail(STEP_AWAIT_EXEC_RECEIVE, NULL);
    if (n == 0) return has_executed() ? 0 : not_executed(op);
    if (take_message(&m, fd) < 0) return -1;
  }
}
