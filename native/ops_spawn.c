/* Programs run on the way: hooks and the id-mapping helpers. */
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "init.h"

static char *const no_environment[] = { NULL };

/* After vfork: only system calls. */
static _Noreturn void become(const char *path, char **argv, char **env, int in, int out, volatile int *error) {
  setsid();
  umask(022);
  restore_file_size();
  if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0) {
    syscall(SYS_close_range, 3, ~0u, 0);
    execve(path, argv, env ? env : no_environment);
  }
  *error = errno;
  leave(127);
}

/* The end of what it printed is the best reason there is for its failure. */
static size_t keep_end(char *kept, size_t have, int fd) {
  char buf[2048];
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0) {
    size_t size = DETAIL_SIZE - 1, got = (size_t)n;
    const char *from = buf;
    if (got > size) {
      from += got - size;
      got = size;
    }
    size_t drop = have + got > size ? have + got - size : 0;
    memmove(kept, kept + drop, have - drop);
    have -= drop;
    memcpy(kept + have, from, got);
    have += got;
  }
  while (have && (kept[have - 1] == '\n' || kept[have - 1] == ' ')) have--;
  kept[have] = 0;
  return have;
}

static int judge(pid_t pid, bool late, const char *output) {
  siginfo_t info = { 0 };
  while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR) {}
  if (late) return fail_errno(STEP_SPAWN_TIMEOUT, ETIMEDOUT, output);
  if (info.si_code == CLD_EXITED && info.si_status == 0) return 0;
  fail_errno(STEP_SPAWN_STATUS, 0, output);
  ctx.failure.aux = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  return -1;
}

static int run(const struct op_spawn *op) {
  int in = memfd_create("stdin", MFD_CLOEXEC), out[2];
  size_t len;
  char *text = expand(op->input, &len);
  if (in < 0 || write_all(in, text, len) < 0 || lseek(in, 0, SEEK_SET) < 0 || pipe2(out, O_CLOEXEC) < 0)
    return fail(STEP_SPAWN_PIPE, str(op->path));
  char **argv = expand_list(op->argv, 0), **env = list_of(op->env, 1);
  if (op->home && ctx.home) env[op->env.count] = ctx.home;
  volatile int error = 0;
  pid_t pid = vfork();
  if (pid == 0) become(str(op->path), argv, env, in, out[1], &error);
  close(in);
  close(out[1]);
  if (pid < 0 || error) {
    int saved = pid < 0 ? errno : error;
    close(out[0]);
    if (pid > 0) waitpid(pid, NULL, 0);
    return fail_errno(STEP_SPAWN_EXEC, saved, str(op->path));
  }
  int pidfd = pidfd_open_(pid);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  uint64_t until = now_ns() + op->timeout_ms * 1000000u;
  char output[DETAIL_SIZE];
  size_t have = 0;
  bool late = false;
  for (bool ended = false; !ended;) {
    struct pollfd polled[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = out[0], .events = POLLIN } };
    uint64_t now = now_ns();
    int wait = !op->timeout_ms ? -1 : now >= until ? 0 : (int)((until - now + 999999u) / 1000000u);
    int rc = poll(polled, 2, wait);
    if (rc == 0) {
      late = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
      break;
    }
    have = keep_end(output, have, out[0]);
    if (polled[1].revents & POLLHUP) { /* closed its output and goes on: poll the pidfd alone */
      close(out[0]);
      out[0] = -1;
    }
    ended = polled[0].revents != 0;
  }
  if (out[0] >= 0) have = keep_end(output, have, out[0]);
  output[have] = 0;
  if (out[0] >= 0) close(out[0]);
  close(pidfd);
  return judge(pid, late, output);
}

int do_spawn(const struct op_spawn *op) {
  int rc = run(op);
  if (rc == 0 || !op->warn) return rc;
  warn_or_report(REPORT_WARNING, &ctx.failure);
  return 0;
}
