/* Strings and lists of the program, files, pidfds, and the channel between launcher and init. */
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include "init.h"

static uint64_t read_number(const char **text) {
  uint64_t value = 0;
  for (; **text >= '0' && **text <= '9'; ++*text) value = value * 10 + (uint64_t)(**text - '0');
  return value;
}

/*
 * RLIMIT_FSIZE is about what the user's program writes. It also counts for memfds, and one report over it would end this
 * process by SIGXFSZ. `original` is what the caller had, where that has been lifted already.
 */
void lift_file_size(const char *original) {
  uint64_t none[2] = { UINT64_MAX, UINT64_MAX };
  if (original) {
    ctx.file_size[0] = read_number(&original);
    if (*original == ':') original++;
    ctx.file_size[1] = read_number(&original);
  } else if (syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, ctx.file_size) < 0) return;
  ctx.size_limited = ctx.file_size[0] != UINT64_MAX;
  if (!ctx.size_limited) return;
  if (syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, none, NULL) == 0) return;
  /* Without CAP_SYS_RESOURCE: as far as it goes, and then with an error instead of a signal. */
  none[0] = none[1] = ctx.file_size[1];
  syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, none, NULL);
  signal(SIGXFSZ, SIG_IGN);
}

/* For programs that are not ours. After vfork: only system calls. */
void restore_file_size(void) {
  if (!ctx.size_limited) return;
  syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, ctx.file_size, NULL);
  signal(SIGXFSZ, SIG_DFL);
}

int fail_errno(uint32_t step, int error, const char *detail) {
  ctx.failure.step = step;
  ctx.failure.error = error;
  ctx.failure.aux = 0;
  size_t len = detail ? strlen(detail) : 0;
  if (len >= DETAIL_SIZE) len = DETAIL_SIZE - 1;
  if (len) memcpy(ctx.failure.detail, detail, len);
  ctx.failure.detail[len] = 0;
  return -1;
}

int fail(uint32_t step, const char *detail) { return fail_errno(step, errno, detail); }

bool ignored(uint64_t errnos, int error) {
  for (; errnos; errnos >>= 16)
    if ((int)(errnos & 0xffff) == error) return true;
  return false;
}

void *allocate(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) leave(1);
  return p;
}

int put_number(char *out, uint64_t n) {
  char digits[24];
  int len = 0;
  do digits[len++] = (char)('0' + n % 10);
  while (n /= 10);
  for (int i = 0; i < len; i++) out[i] = digits[len - 1 - i];
  out[len] = 0;
  return len;
}

static uint64_t marker(char which) {
  if (which == 's') return ctx.start;
  return (uint64_t)(ctx.list == LIST_INIT ? getpid() : ctx.pid);
}

/* The text with \001p and \001s replaced: the pid and the start time are known only while it runs. */
char *expand(struct pstr text, size_t *len) {
  const char *in = str(text), *end = in + text.len;
  if (!memchr(in, 1, text.len)) {
    if (len) *len = text.len;
    return (char *)in;
  }
  size_t markers = 0;
  for (const char *c = in; c < end; c++) markers += *c == 1;
  char *out = allocate(text.len + markers * 24 + 1), *o = out;
  while (in < end)
    if (*in == 1 && in + 1 < end) {
      if (in[1] == 1) *o++ = 1; /* doubled: itself */
      else o += put_number(o, marker(in[1]));
      in += 2;
    } else *o++ = *in++;
  *o = 0;
  if (len) *len = (size_t)(o - out);
  return out;
}

char **list_of(struct pvec v, size_t extra) {
  char **out = allocate((v.count + extra + 1) * sizeof *out);
  for (uint32_t i = 0; i < v.count; i++) out[i] = (char *)str(vec(v)[i]);
  return out;
}

char **expand_list(struct pvec v, size_t extra) {
  char **out = allocate((v.count + extra + 1) * sizeof *out);
  for (uint32_t i = 0; i < v.count; i++) out[i] = expand(vec(v)[i], NULL);
  return out;
}

int write_all(int fd, const void *data, size_t len) {
  const char *at = data;
  while (len) {
    ssize_t n = write(fd, at, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

ssize_t read_file(int dir, const char *path, char *buf, size_t size) {
  int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, buf, size - 1);
  int saved = errno;
  close(fd);
  errno = saved;
  if (n >= 0) buf[n] = 0;
  return n;
}

int slot_fd(int64_t slot) { return slot < 0 ? -1 : ctx.slots[slot]; }

int set_slot(int64_t slot, int fd) {
  if (slot < 0) return fd >= 0 ? close(fd) : 0;
  if (ctx.slots[slot] >= 0) close(ctx.slots[slot]);
  ctx.slots[slot] = fd;
  return 0;
}

uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t number_at(const char *at) {
  uint64_t value = 0;
  for (; *at >= '0' && *at <= '9'; at++) value = value * 10 + (uint64_t)(*at - '0');
  return value;
}

/* Fields 3 (state), 9 (flags) and 22 (start time); the second field may hold blanks and brackets. */
int read_process(pid_t pid, struct process *process) {
  char path[32] = "/proc/", buf[1024];
  int n = 6 + put_number(path + 6, (uint64_t)pid);
  memcpy(path + n, "/stat", 6);
  if (read_file(AT_FDCWD, path, buf, sizeof buf) < 0) return -1;
  char *at = strrchr(buf, ')');
  if (!at || !at[1]) return errno = EINVAL, -1;
  process->state = at[2];
  for (int field = 2; field < 22; field++) {
    at = strchr(at + 1, ' ');
    if (!at) return errno = EINVAL, -1;
    if (field == 8) process->flags = number_at(at + 1);
  }
  process->start = number_at(at + 1);
  return 0;
}

int read_start(pid_t pid, uint64_t *start, char *state) {
  struct process process;
  if (read_process(pid, &process) < 0) return -1;
  *start = process.start;
  if (state) *state = process.state;
  return 0;
}

/* "PID/file", where PID is what the host's procfs calls this process. */
int proc_self_path(char *buf, size_t size, const char *file) {
  char pid[24];
  ssize_t n = readlinkat(ctx.proc, "self", pid, sizeof pid - 1);
  if (n < 0) return -1;
  size_t len = strlen(file);
  if ((size_t)n + len + 2 > size) return errno = ENAMETOOLONG, -1;
  memcpy(buf, pid, (size_t)n);
  buf[n] = '/';
  memcpy(buf + n + 1, file, len + 1);
  return 0;
}

/* clone(2) without a stack of the child's own, and without what libc does at a fork. On s390x the stack comes first. */
long clone2(unsigned long flags, void *parent_tid) {
#ifdef __s390x__
  return syscall(SYS_clone, NULL, flags, parent_tid, NULL, 0ul);
#else
  return syscall(SYS_clone, flags, NULL, parent_tid, NULL, 0ul);
#endif
}

int pidfd_open_(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int pidfd_signal(int pidfd, int sig) { return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0); }

/* 1 when the process ended within ms (-1: wait for ever), 0 when it did not. */
int wait_pidfd(int pidfd, int64_t ms) {
  struct pollfd p = { .fd = pidfd, .events = POLLIN };
  uint64_t until = now_ns() + (uint64_t)(ms < 0 ? 0 : ms) * 1000000u;
  for (;;) {
    int rc = poll(&p, 1, (int)ms);
    if (rc >= 0 || errno != EINTR) return rc;
    uint64_t t = now_ns();
    if (ms >= 0) ms = t >= until ? 0 : (int64_t)((until - t) / 1000000u);
  }
}

/* `fd` -1: the data alone. */
int send_fd(int sock, const void *data, size_t len, int fd) {
  struct iovec iov = { (void *)(uintptr_t)data, len };
  union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } control;
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
  if (fd >= 0) {
    memset(&control, 0, sizeof control);
    msg.msg_control = control.buf;
    msg.msg_controllen = sizeof control.buf;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t n;
  do n = sendmsg(sock, &msg, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -1 : 0;
}

int send_message(int sock, const struct message *m, int fd) { return send_fd(sock, m, sizeof *m, fd); }

ssize_t receive_fd(int sock, void *data, size_t size, int *fd) {
  struct iovec iov = { data, size };
  union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } control;
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf };
  ssize_t n;
  /* The other end closed with something of ours unread: that is told once, and what it sent before comes after it. */
  do n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (fd) *fd = -1;
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  if (c && c->cmsg_type == SCM_RIGHTS) {
    int got;
    memcpy(&got, CMSG_DATA(c), sizeof got);
    if (fd) *fd = got;
    else close(got);
  }
  return n;
}

ssize_t receive_message(int sock, struct message *m, int *fd) {
  ssize_t n = receive_fd(sock, m, sizeof *m, fd);
  if (n > 0 && (size_t)n < sizeof *m) return errno = EPROTO, -1;
  return n;
}

/* The end of init. Without a seccomp agent even exit_group(2) may be denied, and libc would try for ever. */
_Noreturn void leave(int code) {
  syscall(SYS_exit_group, code);
  __builtin_trap();
}
