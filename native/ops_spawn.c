/* Programs run on the way: hooks and the id-mapping helpers. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "init.h"

static char *const no_environment[] = { NULL };

/* Between the two parts of a detail; no program's output has it there. */
#define SEPARATOR '\x1f'

/* The end of what a program printed: the best reason there is for its failure. */
struct output {
  int fd; /* -1 when closed at the other end */
  size_t have;
  char kept[DETAIL_SIZE];
};

/* After vfork: only system calls. Whatever the caller was started with, and whatever phase this is, it begins the same. */
static _Noreturn void become(const struct op_spawn *op, char **argv, char **env, int in, int out, int err, volatile int *error) {
  setsid();
  umask((mode_t)op->umask);
  restore_file_size();
  for (int number = 1; number <= SIGRTMAX; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0) {
    syscall(SYS_close_range, 3, ~0u, 0);
    const struct sock_fprog filter = { .len = (unsigned short)(op->filter.len / 8), .filter = (struct sock_filter *)(uintptr_t)str(op->filter) };
    bool ready = filter.len == 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->filter_flags, &filter) == 0;
    if (ready) execve(str(op->path), argv, env ? env : no_environment);
  }
  *error = errno;
  leave(127);
}

static void keep_end(struct output *out) {
  char buf[2048];
  ssize_t n;
  if (out->fd < 0) return;
  while ((n = read(out->fd, buf, sizeof buf)) > 0) {
    size_t size = sizeof out->kept - 1, got = (size_t)n;
    const char *from = buf;
    if (got > size) {
      from += got - size;
      got = size;
    }
    size_t drop = out->have + got > size ? out->have + got - size : 0;
    memmove(out->kept, out->kept + drop, out->have - drop);
    out->have -= drop;
    memcpy(out->kept + out->have, from, got);
    out->have += got;
  }
}

static void close_output(struct output *out) {
  if (out->fd >= 0) close(out->fd);
  out->fd = -1;
}

static void trim(struct output *out) {
  while (out->have && (out->kept[out->have - 1] == '\n' || out->kept[out->have - 1] == ' ')) out->have--;
  for (size_t i = 0; i < out->have; i++)
    if (out->kept[i] == SEPARATOR || !out->kept[i]) out->kept[i] = ' ';
}

/* Both ends in one text; where they do not fit, each has a half at least. */
static void join(char *detail, struct output *out, struct output *err) {
  size_t room = DETAIL_SIZE - 2, half = room / 2;
  trim(out);
  trim(err);
  size_t second = err->have <= half || out->have + err->have <= room ? err->have : out->have < half ? room - out->have : half;
  size_t first = out->have <= room - second ? out->have : room - second;
  memcpy(detail, out->kept + out->have - first, first);
  detail[first] = SEPARATOR;
  memcpy(detail + first + 1, err->kept + err->have - second, second);
  detail[first + 1 + second] = 0;
}

static int judge(pid_t pid, bool late, const char *detail) {
  siginfo_t info = { 0 };
  while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR) {}
  if (late) return fail_errno(STEP_SPAWN_TIMEOUT, ETIMEDOUT, detail);
  if (info.si_code == CLD_EXITED && info.si_status == 0) return 0;
  fail_errno(STEP_SPAWN_STATUS, 0, detail);
  ctx.failure.aux = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  return -1;
}

/* Until the program has ended: what else holds its output open is not waited for. */
static bool watch(const struct op_spawn *op, pid_t pid, struct output *out, struct output *err) {
  int pidfd = pidfd_open_(pid);
  uint64_t until = now_ns() + op->timeout_ms * 1000000u;
  bool late = false;
  for (bool ended = false; !ended;) {
    struct pollfd polled[3] = { { .fd = pidfd, .events = POLLIN }, { .fd = out->fd, .events = POLLIN }, { .fd = err->fd, .events = POLLIN } };
    uint64_t now = now_ns();
    int wait = !op->timeout_ms ? -1 : now >= until ? 0 : (int)((until - now + 999999u) / 1000000u);
    if (poll(polled, 3, wait) == 0) {
      late = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
      break;
    }
    keep_end(out);
    keep_end(err);
    /* It has closed its output and goes on: that would end every poll at once. */
    if (polled[1].revents & POLLHUP) close_output(out);
    if (polled[2].revents & POLLHUP) close_output(err);
    ended = polled[0].revents != 0;
  }
  keep_end(out);
  keep_end(err);
  close_output(out);
  close_output(err);
  close(pidfd);
  return late;
}

static int run(const struct op_spawn *op) {
  int in = memfd_create("stdin", MFD_CLOEXEC), first[2], second[2];
  size_t len;
  char *text = expand(op->input, &len);
  if (in < 0 || write_all(in, text, len) < 0 || lseek(in, 0, SEEK_SET) < 0 || pipe2(first, O_CLOEXEC) < 0 ||
      pipe2(second, O_CLOEXEC) < 0)
    return fail(STEP_SPAWN_PIPE, str(op->path));
  char **argv = expand_list(op->argv, 0), **env = list_of(op->env, 1);
  if (op->home && ctx.home) env[op->env.count] = ctx.home;
  volatile int error = 0;
  pid_t pid = vfork();
  if (pid == 0) become(op, argv, env, in, first[1], second[1], &error);
  close(in);
  close(first[1]);
  close(second[1]);
  struct output out = { .fd = first[0] }, err = { .fd = second[0] };
  if (pid < 0 || error) {
    int saved = pid < 0 ? errno : error;
    close_output(&out);
    close_output(&err);
    if (pid > 0) waitpid(pid, NULL, 0);
    return fail_errno(STEP_SPAWN_EXEC, saved, str(op->path));
  }
  fcntl(out.fd, F_SETFL, O_NONBLOCK);
  fcntl(err.fd, F_SETFL, O_NONBLOCK);
  bool late = watch(op, pid, &out, &err);
  char detail[DETAIL_SIZE];
  join(detail, &out, &err);
  return judge(pid, late, detail);
}

int do_spawn(const struct op_spawn *op) {
  int rc = run(op);
  if (rc == 0 || !op->warn) return rc;
  warn_or_report(REPORT_WARNING, &ctx.failure);
  return 0;
}
