/* The foreground of `run` and `exec`: signals, the terminal, the exit status. */
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include "init.h"

struct pipe_buffer { char data[16384]; size_t from, to; };
static struct pipe_buffer *input;

static void copy_size(void) {
  struct winsize size;
  if (ctx.pty >= 0 && caller_size(&size)) ioctl(ctx.pty, TIOCSWINSZ, &size);
}

static bool make_raw(struct termios *saved) {
  if (ctx.pty < 0 || tcgetattr(0, saved) < 0) return false;
  struct termios raw = *saved;
  cfmakeraw(&raw);
  raw.c_oflag |= OPOST; /* the container's side has ONLCR off: this one makes the lines end */
  tcsetattr(0, TCSANOW, &raw);
  copy_size();
  return true;
}

/* false at the end of the terminal: every process that had it open is gone (EIO) */
static bool drain_pty(void) {
  char buf[16384];
  ssize_t n = read(ctx.pty, buf, sizeof buf);
  if (n > 0) {
    write_all(1, buf, (size_t)n);
    return true;
  }
  return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool fill_input(void) {
  ssize_t n = read(0, input->data, sizeof input->data);
  input->from = 0;
  input->to = n > 0 ? (size_t)n : 0;
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void flush_input(void) {
  ssize_t n = write(ctx.pty, input->data + input->from, input->to - input->from);
  if (n > 0) input->from += (size_t)n;
}

/* Takes all children that ended; true where the container's process is one of them. */
static bool reap(void) {
  siginfo_t info = { 0 };
  bool ended = false;
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
    if (info.si_pid == ctx.pid) {
      ctx.exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
      ended = true;
    }
    info.si_pid = 0;
  }
  return ended;
}

static bool take_signals(int fd) {
  struct signalfd_siginfo info;
  bool ended = false;
  while (read(fd, &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGCHLD: ended |= reap(); break;
      case SIGWINCH: copy_size(); break;
      case SIGPIPE: case SIGURG: break; /* about this process, not the container's */
      default: pidfd_signal(ctx.pidfd, (int)info.ssi_signo);
    }
  }
  return ended;
}

int do_supervise(const struct op_supervise *op) {
  (void)op;
  sigset_t all;
  sigfillset(&all);
  int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return fail(STEP_SUPERVISE_SIGNALFD, NULL);
  input = allocate(sizeof *input);
  struct termios saved;
  bool raw = make_raw(&saved), reading = ctx.pty >= 0;
  if (ctx.pty >= 0) fcntl(ctx.pty, F_SETFL, O_NONBLOCK);
  bool ended = reap();
  while (!ended) {
    bool pending = input->from < input->to;
    struct pollfd polled[3] = {
      { .fd = signals, .events = POLLIN },
      { .fd = ctx.pty, .events = (short)(POLLIN | (pending ? POLLOUT : 0)) },
      { .fd = reading && !pending ? 0 : -1, .events = POLLIN },
    };
    if (poll(polled, 3, -1) < 0 && errno != EINTR) return fail(STEP_SUPERVISE_POLL, NULL);
    if (polled[1].revents & POLLOUT) flush_input();
    if (polled[1].revents & (POLLIN | POLLHUP | POLLERR) && !drain_pty()) {
      close(ctx.pty);
      ctx.pty = -1;
      reading = false;
    }
    if (polled[2].revents) reading = fill_input();
    if (polled[0].revents) ended = take_signals(signals);
  }
  if (ctx.pty >= 0) { /* what is still in the terminal; processes left behind may keep it open */
    struct pollfd left = { .fd = ctx.pty, .events = POLLIN };
    while (poll(&left, 1, 0) > 0 && drain_pty()) {}
    close(ctx.pty);
    ctx.pty = -1;
  }
  if (raw) tcsetattr(0, TCSANOW, &saved);
  close(signals);
  close(ctx.pidfd);
  ctx.pidfd = -1;
  return 0;
}
