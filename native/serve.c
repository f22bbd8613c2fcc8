/*
 * `tsrunc-init serve`: executes one program after another for the process at the other end of descriptor 3, which
 * thereby has the price of starting a program only once. It forks for each: the child is a launcher like any other.
 * It keeps nothing of a container but, as the nearest subreaper, the way its exit status takes to whoever made it;
 * at the end of file it goes, and what still runs goes on without it.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "init.h"

enum { CLIENT = 3, CLIENT_PIDFD = 4 };
enum { REQUEST_EXECUTE = 1, REQUEST_WATCH = 2 };
enum { ANSWER_DONE = 1, ANSWER_EXIT = 2, ANSWER_GONE = 3 };
enum { STDIO_INHERIT = -1, STDIO_NULL = -2 };
enum { WATCH_SIGNALS = 0, WATCH_CLIENT = 1, WATCH_PROCESS = 2 };

/* Followed by `cwd` bytes, the last one NUL, and by `program` bytes: src/init/wire.ts. */
struct request {
  uint32_t type, id, cwd, program;
  int32_t stdio[3]; /* descriptors of the client, or STDIO_* */
  uint32_t unused;
  uint64_t pid, start;
};

/* Followed by `size` bytes of reports. */
struct answer {
  uint32_t type, id;
  int32_t status; /* of an exit, or minus a signal */
  int32_t error;
  uint32_t pid, size;
};

/* What a spare child is told, beside the program's descriptor. */
struct job { struct request request; char cwd[4096]; };

struct running { pid_t pid; uint32_t id, program; int fd; };
struct ended { pid_t pid; int status; };

static struct running *running;
static struct ended *ended;
static size_t running_count, running_room, ended_room;
static int polled;
static struct { pid_t pid; int sock; } spare = { 0, -1 };

/* What cannot be remembered cannot be answered: then rather no server than a wrong one. */
static void *room_for(void *array, size_t count, size_t *room, size_t size) {
  if (count < *room) return array;
  size_t wanted = *room ? *room * 2 : 256;
  void *grown = *room ? mremap(array, *room * size, wanted * size, MREMAP_MAYMOVE) : allocate(wanted * size);
  if (grown == MAP_FAILED) _exit(1);
  *room = wanted;
  return grown;
}

static bool receive(void *data, size_t len) {
  for (char *at = data; len;) {
    ssize_t n = read(CLIENT, at, len);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    len -= (size_t)n;
  }
  return true;
}

static void send_all(const void *data, size_t len) {
  for (const char *at = data; len;) {
    ssize_t n = send(CLIENT, at, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) _exit(0); /* the client is gone */
    at += n;
    len -= (size_t)n;
  }
}

static void answer(struct answer a) { send_all(&a, sizeof a); }

/* The program goes straight to its memfd: no copy of it stays here for the children that come after. */
static int receive_program(size_t len) {
  int fd = memfd_create("program", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)len) < 0) _exit(1);
  if (len == 0) return fd;
  void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) _exit(1);
  if (!receive(at, len)) _exit(0);
  munmap(at, len);
  return fd;
}

static int stdio_fd(int i, int32_t what) {
  if (what == STDIO_INHERIT) return i;
  if (what == STDIO_NULL) return open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
  return (int)syscall(SYS_pidfd_getfd, CLIENT_PIDFD, what, 0); /* Linux 5.6 */
}

static _Noreturn void become_launcher(const struct job *job, int program) {
  int fds[3];
  ctx.program_fd = program;
  for (int i = 0; i < 3; i++)
    if ((fds[i] = stdio_fd(i, job->request.stdio[i])) < 0) refuse(SERVE_STDIO, NULL);
  /* A descriptor may be wanted twice: all are had before the first is put in its place. */
  for (int i = 0; i < 3; i++)
    if (fds[i] != i && dup2(fds[i], i) < 0) refuse(SERVE_STDIO, NULL);
  if (chdir(job->cwd) < 0) refuse(SERVE_CHDIR, job->cwd);
  /* Nothing but stdio and the program, whatever the program wants to keep. */
  if (dup3(program, CLIENT, O_CLOEXEC) < 0) refuse(SERVE_STDIO, NULL);
  syscall(SYS_close_range, CLIENT + 1, ~0u, 0);
  execute(CLIENT);
}

/* Waits, with nothing of the server's open but its end of a socket and the client's pidfd, for what it is to do. */
static _Noreturn void be_spare(int sock) {
  struct job *job = allocate(sizeof *job);
  reset_signals();
  if (dup3(sock, CLIENT, O_CLOEXEC) < 0) __builtin_trap(); /* no exit status that could be a program's */
  syscall(SYS_close_range, CLIENT_PIDFD + 1, ~0u, 0);
  int program;
  if (receive_fd(CLIENT, job, sizeof *job, &program) <= 0 || program < 0) _exit(0); /* the server is gone */
  become_launcher(job, program);
}

/* A child that is forked before it is needed: the time of the fork is nobody's who waits. */
static bool make_spare(void) {
  int socks[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) return false;
  pid_t pid = fork();
  if (pid == 0) be_spare(socks[1]);
  int error = errno;
  close(socks[1]);
  if (pid > 0) {
    spare.pid = pid;
    spare.sock = socks[0];
    return true;
  }
  close(socks[0]);
  errno = error;
  return false;
}

static void drop_spare(void) {
  close(spare.sock);
  spare.pid = 0;
}

static void start(const struct request *r) {
  static struct job *job;
  if (!job) job = allocate(sizeof *job);
  if (r->cwd == 0 || r->cwd > sizeof job->cwd || !receive(job->cwd, r->cwd) || job->cwd[r->cwd - 1] != 0) _exit(1);
  job->request = *r;
  int program = receive_program(r->program);
  /* One that was killed is found out by the second try. */
  for (int tries = 0; tries < 2; tries++) {
    if (!spare.pid && !make_spare()) break;
    bool sent = send_fd(spare.sock, job, offsetof(struct job, cwd) + r->cwd, program) == 0;
    pid_t pid = spare.pid;
    drop_spare();
    if (!sent) continue;
    running = room_for(running, running_count, &running_room, sizeof *running);
    running[running_count++] = (struct running){ pid, r->id, r->program, program };
    make_spare();
    return;
  }
  answer((struct answer){ .type = ANSWER_DONE, .id = r->id, .error = errno });
  close(program);
}

static void finish_program(size_t i, int status) {
  struct running done = running[i];
  running[i] = running[--running_count];
  off_t end = lseek(done.fd, 0, SEEK_END), at = done.program;
  struct answer a = { .type = ANSWER_DONE, .id = done.id, .status = status, .pid = (uint32_t)done.pid };
  a.size = end > at ? (uint32_t)(end - at) : 0;
  answer(a);
  char buf[4096];
  for (ssize_t n; at < end && (n = pread(done.fd, buf, sizeof buf, at)) > 0; at += n) send_all(buf, (size_t)n);
  close(done.fd);
}

/*
 * A container becomes a child of this process at the moment at which its launcher can be reaped, so both are seen in one
 * pass. The launcher is told of first: it is what tells the client of the container's pid.
 */
static void reap_all(void) {
  siginfo_t info = { 0 };
  size_t others = 0;
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
    int status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    size_t i = 0;
    while (i < running_count && running[i].pid != info.si_pid) i++;
    if (i < running_count) finish_program(i, status);
    else if (info.si_pid == spare.pid) drop_spare();
    else {
      ended = room_for(ended, others, &ended_room, sizeof *ended);
      ended[others++] = (struct ended){ info.si_pid, status };
    }
    info.si_pid = 0;
  }
  for (size_t i = 0; i < others; i++)
    answer((struct answer){ .type = ANSWER_EXIT, .pid = (uint32_t)ended[i].pid, .status = ended[i].status });
}

static void poll_for(int fd, uint32_t what, uint32_t id) {
  struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)id << 32 | what };
  if (epoll_ctl(polled, EPOLL_CTL_ADD, fd, &event) < 0) _exit(1);
}

static void watch(const struct request *r) {
  uint64_t began;
  char state = 0;
  int fd = pidfd_open_((pid_t)r->pid);
  bool there = fd >= 0 && read_start((pid_t)r->pid, &began, &state) == 0 && began == r->start && state != 'Z' && state != 'X';
  if (there) {
    /* The descriptor's number is what is known of it when it is ready: WATCH_PROCESS + fd. */
    poll_for(fd, (uint32_t)fd + WATCH_PROCESS, r->id);
    return;
  }
  if (fd >= 0) close(fd);
  answer((struct answer){ .type = ANSWER_GONE, .id = r->id });
}

static void take_request(void) {
  struct request r;
  if (!receive(&r, sizeof r)) _exit(0);
  if (r.type == REQUEST_EXECUTE) start(&r);
  else if (r.type == REQUEST_WATCH) watch(&r);
  else _exit(1);
}

static int prepare(void) {
  /* What a terminal sends to its whole group is for the client, which may live on. */
  static const int ignored_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE };
  for (unsigned i = 0; i < sizeof ignored_signals / sizeof *ignored_signals; i++) signal(ignored_signals[i], SIG_IGN);
  prctl(PR_SET_NAME, "tsrunc-serve");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  syscall(SYS_close_range, CLIENT + 1, ~0u, 0);
  fcntl(CLIENT, F_SETFD, FD_CLOEXEC);
  fcntl(CLIENT, F_SETFL, 0); /* blocking, whatever the client's library prefers */
  if (chdir("/") < 0) _exit(1);
  int client = pidfd_open_(getppid());
  if (client < 0 || (client != CLIENT_PIDFD && dup3(client, CLIENT_PIDFD, O_CLOEXEC) < 0)) _exit(1);
  if (client != CLIENT_PIDFD) close(client);
  polled = epoll_create1(EPOLL_CLOEXEC);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

_Noreturn void serve(void) {
  int signals = prepare();
  if (signals < 0 || polled < 0) _exit(1);
  poll_for(signals, WATCH_SIGNALS, 0);
  poll_for(CLIENT, WATCH_CLIENT, 0);
  make_spare();
  for (;;) {
    struct epoll_event event;
    if (epoll_wait(polled, &event, 1, -1) < 1) continue;
    uint32_t what = (uint32_t)event.data.u64;
    struct signalfd_siginfo info;
    if (what == WATCH_CLIENT) take_request();
    else if (what == WATCH_SIGNALS) {
      while (read(signals, &info, sizeof info) > 0) {}
      reap_all();
    } else {
      close((int)(what - WATCH_PROCESS));
      answer((struct answer){ .type = ANSWER_GONE, .id = (uint32_t)(event.data.u64 >> 32) });
    }
  }
}
