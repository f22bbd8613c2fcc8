/*
 * An attacker in a container, with whatever capabilities the container has. It looks at every process that appears in its
 * pid namespace, in every way the kernel offers, and says what it finds that is of the host. Where it may, it traces the
 * process, so that it looks again at each of its system calls, up to the end or to the program that the process becomes.
 *
 *   observer watch NAME=VALUE…    every process that appears, until SIGTERM
 *   observer look NAME=VALUE…     the processes that are there
 *   observer handle PATH          on the host: the handle of a file, for `handle`
 *
 *   capabilities=HEX  what the processes may have          uids=N,N  groups=N,N   who they may be
 *   secret=PATH       a file of the host that root may read    pid=N   a process of the host
 *   canary=TEXT       a part of the caller's environment      mark=TEXT   a part of the host's paths
 *   namespaces=TEXT,TEXT   links of the host's own that no process may be in
 *   handle=HEX        the secret's file handle
 *
 * One line for each kind of thing found: `found KIND TIMES DETAIL`; at the end `done PROCESSES LOOKS TRACED`.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t allowed_capabilities = ~0ull;
static const char *uids = "0", *groups = "", *secret = "/", *host_pid = "1", *canary = "", *mark = "", *host_namespaces = "", *handle = "";
static volatile sig_atomic_t ended;

static struct { char kind[32], detail[200]; unsigned times; } found[64];
static unsigned kinds, processes, looks, traced_processes;
static const char *phase = "";

static void note(const char *kind, const char *detail) {
  unsigned i = 0;
  while (i < kinds && strcmp(found[i].kind, kind)) i++;
  if (i == sizeof found / sizeof *found) return;
  if (i == kinds) {
    kinds++;
    snprintf(found[i].kind, sizeof found[i].kind, "%s", kind);
    snprintf(found[i].detail, sizeof found[i].detail, "%s%s", phase, detail);
    for (char *c = found[i].detail; *c; c++)
      if (!isprint((unsigned char)*c)) *c = '?';
  }
  found[i].times++;
}

static ssize_t slurp(const char *path, char *buf, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  size_t have = 0;
  ssize_t n;
  while (have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0) have += (size_t)n;
  close(fd);
  buf[have] = 0;
  return (ssize_t)have;
}

static bool has(const char *text, size_t len, const char *part) {
  return *part && memmem(text, len, part, strlen(part)) != NULL;
}

/* Whether a number is in a list such as "0,10". */
static bool listed(const char *list, const char *number, size_t len) {
  for (const char *c = list; *c; c += *c == ',') {
    size_t n = strcspn(c, ",");
    if (n == len && !strncmp(c, number, len)) return true;
    c += n;
  }
  return false;
}

/* Every number of the line must be in the list. */
static void judge_ids(const char *status, const char *name, const char *list) {
  const char *at = strstr(status, name);
  if (!at) return;
  for (at += strlen(name); *at && *at != '\n';) {
    at += strspn(at, " \t");
    size_t len = strcspn(at, " \t\n");
    if (len && !listed(list, at, len)) {
      char detail[64];
      snprintf(detail, sizeof detail, "%s%.*s", name + 1, (int)len, at);
      note("identity", detail);
    }
    at += len;
  }
}

static void look_at_status(const char *dir) {
  char path[64], text[8192];
  snprintf(path, sizeof path, "%s/status", dir);
  if (slurp(path, text, sizeof text) <= 0) return;
  if (strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX")) return;
  for (const char *at = text; (at = strstr(at, "\nCap")); at++) {
    uint64_t more = strtoull(at + 9, NULL, 16) & ~allowed_capabilities;
    char detail[64];
    snprintf(detail, sizeof detail, "%.6s %llx", at + 1, (unsigned long long)more);
    if (more) note("capability", detail);
  }
  judge_ids(text, "\nUid:", uids);
  judge_ids(text, "\nGid:", groups);
  judge_ids(text, "\nGroups:", groups);
}

/* Reads a file of the host below a directory that is the host's, if it is. */
static void try_secret(const char *kind, const char *directory) {
  char path[512], text[64];
  snprintf(path, sizeof path, "%s%s", directory, secret);
  if (slurp(path, text, sizeof text) > 0) note(kind, directory);
}

static void try_handle(const char *path) {
  if (!*handle) return;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  union { struct file_handle h; char room[sizeof(struct file_handle) + 128]; } u = { 0 };
  unsigned n = 0;
  for (const char *c = handle + 8; c[0] && c[1] && n < 128; c += 2, n++) {
    char byte[3] = { c[0], c[1], 0 };
    u.h.f_handle[n] = (unsigned char)strtoul(byte, NULL, 16);
  }
  char type[9] = { 0 };
  memcpy(type, handle, 8);
  u.h.handle_bytes = n;
  u.h.handle_type = (int)strtol(type, NULL, 16);
  int got = open_by_handle_at(fd, &u.h, O_RDONLY | O_CLOEXEC);
  if (got >= 0) note("handle", path), close(got);
  close(fd);
}

/* A pidfd of a process that is in our namespace, as its maker has it: fdinfo tells the pid as we would call it. */
static bool is_of_ours(const char *dir, const char *number) {
  char path[400], text[512];
  snprintf(path, sizeof path, "%s/fdinfo/%s", dir, number);
  const char *pid = slurp(path, text, sizeof text) > 0 ? strstr(text, "\nPid:") : NULL;
  return pid && atoi(pid + 5) > 0;
}

static void look_at_descriptors(const char *dir, int pidfd) {
  char path[64], entry[400], target[256], other[512];
  snprintf(path, sizeof path, "%s/fd", dir);
  DIR *list = opendir(path);
  for (struct dirent *e; list && (e = readdir(list));) {
    if (e->d_name[0] == '.') continue;
    snprintf(entry, sizeof entry, "%s/%s", path, e->d_name);
    ssize_t n = readlink(entry, target, sizeof target - 1);
    if (n < 0) continue;
    target[n] = 0;
    if (atoi(e->d_name) < 3) continue;
    struct stat st;
    int got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
    if (got >= 0) close(got);
    bool usable = stat(entry, &st) == 0;
    if (!strncmp(target, "socket:", 7)) note("socket", target);
    else if (!strncmp(target, "pipe:", 5)) note("pipe", target);
    else if (!strncmp(target, "/memfd:stdin", 12) || (!strcmp(target, "anon_inode:[pidfd]") && is_of_ours(dir, e->d_name)))
      note("of a hook", target);
    else if (usable && S_ISFIFO(st.st_mode)) note("fifo", target);
    else note("descriptor", target);
    try_secret("file by a descriptor", entry);
    snprintf(other, sizeof other, "%s/1/root", entry);
    try_secret("file by a descriptor", other);
    snprintf(other, sizeof other, "%s/%s/root", entry, host_pid);
    try_secret("file by a descriptor", other);
    if (usable && !S_ISSOCK(st.st_mode)) try_handle(entry);
  }
  if (list) closedir(list);
}

static void look_at_memory(pid_t pid, const char *dir) {
  static char maps[65536], memory[1 << 16];
  char path[64];
  snprintf(path, sizeof path, "%s/maps", dir);
  ssize_t n = slurp(path, maps, sizeof maps);
  if (n <= 0) return;
  if (has(maps, (size_t)n, mark)) note("path in maps", mark);
  for (char *line = maps; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
    uint64_t from, to;
    char rights[5];
    if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[0] != 'r' || strstr(line, "[v")) continue;
    for (uint64_t at = from; at < to && at - from < (4u << 20); at += sizeof memory - 256) {
      size_t len = to - at < sizeof memory ? to - at : sizeof memory;
      struct iovec here = { memory, len }, there = { (void *)at, len };
      ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
      if (got <= 0) break;
      if (has(memory, (size_t)got, canary)) note("environment in memory", line);
      if ((size_t)got < len || at + len == to) break;
    }
  }
}

static void look_at_texts(const char *dir) {
  static char text[1 << 18];
  char path[64];
  static const char *const names[] = { "environ", "cmdline", "comm", "auxv" };
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, names[i]);
    ssize_t n = slurp(path, text, sizeof text);
    if (n <= 0) continue;
    if (has(text, (size_t)n, canary)) note("environment", names[i]);
    if (has(text, (size_t)n, mark)) note("path", names[i]);
  }
  snprintf(path, sizeof path, "%s/mountinfo", dir);
  if (slurp(path, text, sizeof text) <= 0) return;
  for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
    char *at = line;
    for (int field = 1; field < 5 && at; field++) at = strchr(at + 1, ' ');
    char *end = at ? strchr(at + 1, ' ') : NULL;
    if (end && has(at, (size_t)(end - at), mark)) note("mount", at + 1);
  }
}

static void look_at_namespaces(const char *dir) {
  static const struct { const char *name; int type; } types[] = {
    { "mnt", CLONE_NEWNS }, { "pid", 0 }, { "pid_for_children", 0 }, { "net", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC },
    { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP }, { "user", CLONE_NEWUSER }, { "time", 0 },
  };
  char path[64], link[64];
  for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
    snprintf(path, sizeof path, "%s/ns/%s", dir, types[i].name);
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n < 0) continue;
    link[n] = 0;
    if (!listed(host_namespaces, link, (size_t)n)) continue;
    note("namespace", link);
    if (types[i].type != CLONE_NEWNS) continue;
    pid_t child = fork();
    if (child == 0) {
      int fd = open(path, O_RDONLY);
      char text[8];
      _exit(fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && slurp(secret, text, sizeof text) > 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) note("file by a namespace", link);
  }
}

static void look(pid_t pid) {
  char dir[32], path[128];
  looks++;
  snprintf(dir, sizeof dir, "/proc/%d", pid);
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  look_at_status(dir);
  snprintf(path, sizeof path, "%s/root", dir);
  try_secret("file by root", path);
  snprintf(path, sizeof path, "%s/cwd/../../../../../../../../..", dir);
  try_secret("file by cwd", path);
  look_at_descriptors(dir, pidfd);
  look_at_texts(dir);
  look_at_memory(pid, dir);
  look_at_namespaces(dir);
  if (pidfd >= 0) close(pidfd);
}

enum { KNOWN = 1, TRACED = 2 };
static unsigned char known[1 << 16];

static void come_upon(pid_t pid) {
  known[pid] |= KNOWN;
  processes++;
  long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
  phase = "at once: ";
  if (ptrace(PTRACE_SEIZE, pid, NULL, options) == 0 && ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0) {
    known[pid] |= TRACED;
    traced_processes++;
    return;
  }
  look(pid);
}

/* One stop of a traced process: look, and let it go on to the next system call, or for good once it is another program. */
static void take_stop(pid_t pid, int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    known[pid] = 0;
    return;
  }
  if (!(known[pid] & TRACED)) { /* a child of a traced one, which is traced from its birth */
    known[pid] |= KNOWN | TRACED;
    processes++;
    traced_processes++;
  }
  int event = status >> 16, sig = WSTOPSIG(status);
  if (event == PTRACE_EVENT_EXEC) {
    phase = "after exec: ";
    look(pid);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    known[pid] &= (unsigned char)~TRACED;
    return;
  }
  phase = "at a call: ";
  look(pid);
  bool call = sig == (SIGTRAP | 0x80);
  if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* a stop of its group */
  else ptrace(PTRACE_SYSCALL, pid, NULL, (long)(call || event ? 0 : sig));
}

static unsigned scan(bool first, pid_t self) {
  static int fd = -1;
  static char buf[1 << 16];
  unsigned fresh = 0;
  if (fd < 0) fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  lseek(fd, 0, SEEK_SET);
  struct { uint64_t ino; int64_t off; unsigned short len; unsigned char type; char name[]; } *e;
  for (long n, at; (n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0;)
    for (at = 0; at < n; at += e->len) {
      e = (void *)(buf + at);
      if (!isdigit((unsigned char)e->name[0])) continue;
      int pid = atoi(e->name);
      if (pid == self || pid >= (int)sizeof known || known[pid] & KNOWN) continue;
      if (first) known[pid] |= KNOWN;
      else come_upon(pid), fresh++;
    }
  return fresh;
}

static void end(int sig) { ended = sig; }

static int report(void) {
  for (unsigned i = 0; i < kinds; i++) printf("found %s %u %s\n", found[i].kind, found[i].times, found[i].detail);
  printf("done %u %u %u\n", processes, looks, traced_processes);
  fflush(stdout);
  return 0;
}

static void take_word(char *word) {
  char *value = strchr(word, '=');
  if (!value) exit(2);
  *value++ = 0;
  if (!strcmp(word, "capabilities")) allowed_capabilities = strtoull(value, NULL, 16);
  else if (!strcmp(word, "uids")) uids = value;
  else if (!strcmp(word, "groups")) groups = value;
  else if (!strcmp(word, "secret")) secret = value;
  else if (!strcmp(word, "pid")) host_pid = value;
  else if (!strcmp(word, "canary")) canary = value;
  else if (!strcmp(word, "mark")) mark = value;
  else if (!strcmp(word, "namespaces")) host_namespaces = value;
  else if (!strcmp(word, "handle")) handle = value;
  else exit(2);
}

static int watch(void) {
  struct sigaction sa = { .sa_handler = end };
  sigaction(SIGTERM, &sa, NULL);
  scan(true, getpid());
  printf("ready\n");
  fflush(stdout);
  while (!ended) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) take_stop(pid, status);
    scan(false, getpid());
  }
  return report();
}

static int look_around(void) {
  pid_t self = getpid();
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc));) {
    if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == self) continue;
    processes++;
    look(atoi(e->d_name));
  }
  return report();
}

static int print_handle(const char *path) {
  union { struct file_handle h; char room[sizeof(struct file_handle) + 128]; } u = { .h.handle_bytes = 128 };
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, path, &u.h, &mount_id, 0) < 0) return perror(path), 1;
  printf("%08x", (unsigned)u.h.handle_type);
  for (unsigned i = 0; i < u.h.handle_bytes; i++) printf("%02x", u.h.f_handle[i]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (argc == 3 && !strcmp(argv[1], "handle")) return print_handle(argv[2]);
  for (int i = 2; i < argc; i++) take_word(argv[i]);
  if (!strcmp(argv[1], "watch")) return watch();
  return strcmp(argv[1], "look") ? 2 : look_around();
}
