/*
 * Starts commands and measures them, so that no JavaScript is between the clock and the command.
 *
 * Standard input has requests: a native 32-bit length, then so many bytes of words that each end in NUL:
 *   LIMIT                             milliseconds, after which everything that was started is killed
 *   run COUNT {ARGC ARG…}…            a step: COUNT commands at once, until all have ended
 *   wait FILE                         a step: until the orphan whose pid is in FILE has ended
 * A step whose command fails is the last. The answer is one line, times in ns of CLOCK_MONOTONIC:
 *   TOTAL{;STEP{ STATUS:MAXRSS}…}…    MAXRSS in KiB, of the command and the children it waited for
 * Containers become children of this process, as they become children of an engine's shim.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 256, MAX_WORDS = 8192, MAX_REQUEST = 1 << 20 };

struct command {
  char **argv;
  volatile pid_t pid;
  int status;
  long maxrss;
};

static struct command commands[MAX_COMMANDS];
static char *words[MAX_WORDS];
static char request[MAX_REQUEST];
static char *const *next;
static volatile sig_atomic_t late;

static void die(const char *what) {
  dprintf(2, "launcher: %s: %s\n", what, strerror(errno));
  _exit(70);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void kill_all(int signal) {
  (void)signal;
  late = 1;
  for (int i = 0; i < MAX_COMMANDS; i++) {
    if (commands[i].pid > 0) kill(commands[i].pid, SIGKILL);
  }
}

static void limit_time(long milliseconds) {
  // Again and again: one signal could come just before a wait.
  struct itimerval timer = {{milliseconds > 0, 0}, {milliseconds / 1000, milliseconds % 1000 * 1000}};
  if (setitimer(ITIMER_REAL, &timer, NULL) < 0) die("setitimer");
}

/* Fills the buffer; false at the end of the input. */
static int read_all(int fd, void *buffer, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(fd, (char *)buffer + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) die("read");
    if (n == 0) return 0;
    done += (size_t)n;
  }
  return 1;
}

/* Splits a request into words that a null pointer ends. */
static int read_request(int fd) {
  uint32_t size;
  if (!read_all(fd, &size, sizeof size)) return 0;
  errno = E2BIG;
  if (size > sizeof request || !read_all(fd, request, size) || (size > 0 && request[size - 1] != 0)) die("request");
  int count = 0;
  for (char *word = request; word < request + size; word += strlen(word) + 1) {
    if (count >= MAX_WORDS - 1) die("request");
    words[count++] = word;
  }
  words[count] = NULL;
  next = words;
  return 1;
}

static void start(struct command *command) {
  pid_t pid = vfork();
  if (pid < 0) die("vfork");
  if (pid == 0) {
    execvp(command->argv[0], command->argv);
    _exit(127);
  }
  command->pid = pid;
}

static void finish(struct command *command) {
  struct rusage usage;
  while (wait4(command->pid, &command->status, 0, &usage) < 0) {
    if (errno != EINTR) die("wait4");
  }
  command->pid = 0;
  command->maxrss = usage.ru_maxrss;
}

static int shell_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/* The words of commands are moved one place down, so that each list of arguments ends in a null pointer. */
static int parse_commands(void) {
  int count = atoi(*next++);
  errno = E2BIG;
  if (count > MAX_COMMANDS) die("request");
  for (int i = 0; i < count; i++) {
    int argc = atoi(*next);
    char **argv = (char **)next;
    memmove(argv, argv + 1, (size_t)argc * sizeof *argv);
    argv[argc] = NULL;
    commands[i] = (struct command){.argv = argv};
    next += argc + 1;
  }
  return count;
}

/* Returns whether all succeeded. */
static int run_step(FILE *answer, int64_t *total) {
  int count = parse_commands(), ok = 1;
  int64_t begin = now();
  for (int i = 0; i < count; i++) start(&commands[i]);
  for (int i = 0; i < count; i++) finish(&commands[i]);
  int64_t taken = now() - begin;
  *total += taken;
  fprintf(answer, ";%lld", (long long)taken);
  for (int i = 0; i < count; i++) {
    fprintf(answer, " %d:%ld", shell_status(commands[i].status), commands[i].maxrss);
    if (commands[i].status != 0) ok = 0;
  }
  return ok;
}

static int wait_step(FILE *answer, int64_t *total) {
  int64_t begin = now();
  char text[32] = "";
  int fd = open(*next++, O_RDONLY | O_CLOEXEC);
  pid_t pid = fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? atoi(text) : 0;
  close(fd);
  int ok = pid > 0;
  while (ok && waitpid(pid, NULL, 0) < 0) ok = errno == EINTR && !late;
  int64_t taken = now() - begin;
  *total += taken;
  fprintf(answer, ";%lld %d:0", (long long)taken, ok ? 0 : 1);
  return ok;
}

static void serve(FILE *answer) {
  int64_t total = 0;
  char *text;
  size_t size;
  FILE *steps = open_memstream(&text, &size);
  if (steps == NULL) die("open_memstream");
  late = 0;
  limit_time(atol(*next++));
  while (*next != NULL) {
    int (*step)(FILE *, int64_t *) = strcmp(*next++, "run") == 0 ? run_step : wait_step;
    if (!step(steps, &total)) break;
  }
  limit_time(0);
  fclose(steps);
  fprintf(answer, "%lld%s\n", (long long)total, text);
  fflush(answer);
  free(text);
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

/* launcher LOG: what commands print is appended to LOG. */
int main(int argc, char **argv) {
  if (argc != 2) return 64;
  int in = fcntl(0, F_DUPFD_CLOEXEC, 3), out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC), log = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (in < 0 || out < 0 || null < 0 || log < 0) die("open");
  if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) die("dup2");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("prctl");
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = kill_all}, NULL);
  FILE *answer = fdopen(out, "w");
  if (answer == NULL) die("fdopen");
  while (read_request(in)) serve(answer);
  return 0;
}
