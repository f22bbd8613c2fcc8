/* The last steps before the user's program: identity, limits, exec. */
#include <linux/capability.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "init.h"

/* The lowest of our own descriptors that is not below `from`; they are all close-on-exec. */
static unsigned next_own(unsigned from) {
  unsigned next = ~0u;
  int own[SLOTS + 4] = { ctx.sync, ctx.proc, ctx.root, ctx.helper_sync };
  memcpy(own + 4, ctx.slots, sizeof ctx.slots);
  for (int i = 0; i < SLOTS + 4; i++)
    if (own[i] >= (int)from && (unsigned)own[i] < next) next = (unsigned)own[i];
  return next;
}

/* Closes what the container is not to get and this process has no use for any more. */
int do_close_fds(const struct op_close_fds *op) {
  for (unsigned from = 3 + (unsigned)op->keep, own = 0; own != ~0u; from = own + 1) {
    own = next_own(from);
    if (own > from && syscall(SYS_close_range, from, own - 1, 0) < 0) return fail(STEP_CLOSE_FDS_CLOSE_RANGE, NULL);
  }
  ctx.null = -1;
  return 0;
}

int do_umask(const struct op_umask *op) {
  umask((mode_t)op->mask);
  return 0;
}

struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
};

int do_scheduler(const struct op_scheduler *op) {
  struct scheduling s = { sizeof s, (uint32_t)op->policy, op->flags, (int32_t)op->nice, (uint32_t)op->priority,
                          op->runtime, op->deadline, op->period, (uint32_t)op->util_min, (uint32_t)op->util_max };
  pid_t of = ctx.list == LIST_INIT ? 0 : ctx.pid;
  return syscall(SYS_sched_setattr, of, &s, 0) < 0 ? fail(STEP_SCHEDULER_SCHED_SETATTR, NULL) : 0;
}

int do_io_priority(const struct op_io_priority *op) {
  return syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)op->value) < 0 ? fail(STEP_IO_PRIORITY_IOPRIO_SET, NULL) : 0;
}

int do_affinity(const struct op_affinity *op) {
  return syscall(SYS_sched_setaffinity, 0, (size_t)op->mask.len, str(op->mask)) < 0 ? fail(STEP_AFFINITY_SCHED_SETAFFINITY, NULL) : 0;
}

int do_memory_policy(const struct op_memory_policy *op) {
  return syscall(SYS_set_mempolicy, (int)op->mode, op->nodes.len ? str(op->nodes) : NULL, op->bits) < 0
           ? fail(STEP_MEMORY_POLICY_SET_MEMPOLICY, NULL) : 0;
}

int do_personality(const struct op_personality *op) {
  return personality((unsigned long)op->persona) < 0 ? fail(STEP_PERSONALITY_PERSONALITY, NULL) : 0;
}

/* So that /dev/stdout can be opened again by the user. /dev/null is everybody's. */
int do_stdio(const struct op_stdio *op) {
  for (int fd = 0; fd < 3; fd++) {
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_uid == (uid_t)op->uid) continue;
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) continue;
    if (op->pipes && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) continue;
    if (fchown(fd, (uid_t)op->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS && errno != ENOSYS)
      return fail(STEP_STDIO_FCHOWN, NULL);
  }
  return 0;
}

/* The home directory of a line "name:password:uid:gid:gecos:home:shell" with that uid. */
static const char *home_in_line(char *line, uint64_t uid) {
  char *field[7] = { line };
  int n = 1;
  for (char *c = line; *c && n < 7; c++)
    if (*c == ':') {
      *c = 0;
      field[n++] = c + 1;
    }
  if (n < 6 || !*field[2]) return NULL;
  uint64_t value = 0;
  for (const char *c = field[2]; *c; c++) {
    if (*c < '0' || *c > '9') return NULL;
    value = value * 10 + (uint64_t)(*c - '0');
  }
  return value == uid ? field[5] : NULL;
}

#define PASSWD_MAX (16u << 20) /* the file is the container's and may be sparse */

/* Apart from do_home for the size of its frame: images without the file are not to pay for it. */
static __attribute__((noinline)) void read_home(int fd, uint64_t uid, char *home) {
  struct stat st;
  char buf[8192];
  size_t have = 0, total = 0;
  ssize_t n = 1;
  bool found = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
  while (!found && total < PASSWD_MAX && (n = read(fd, buf + have, sizeof buf - 1 - have)) >= 0) {
    have += (size_t)n;
    total += (size_t)n;
    buf[have] = 0;
    char *line = buf;
    for (char *end; !found && ((end = strchr(line, '\n')) || (n == 0 && *line)); line = end ? end + 1 : line + strlen(line)) {
      if (end) *end = 0;
      const char *dir = home_in_line(line, uid);
      if (!dir) continue;
      found = true;
      size_t len = strlen(dir);
      if (len && len < 4096) memcpy(home, dir, len + 1);
    }
    if (n == 0) break;
    have = (size_t)(buf + have - line);
    if (have >= sizeof buf - 1) have = 0; /* a line longer than the buffer names nobody */
    memmove(buf, line, have);
  }
}

/* HOME where the config's env has none. Only the container's own passwd(5), read inside, can tell. */
int do_home(const struct op_home *op) {
  static char none[] = "HOME=/";
  ctx.home = none;
  int fd = open_in_root("etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0) return 0;
  ctx.home = allocate(sizeof "HOME=" + 4096);
  memcpy(ctx.home, none, sizeof none);
  read_home(fd, op->uid, ctx.home + strlen("HOME="));
  close(fd);
  return 0;
}

static __attribute__((noinline)) bool inside_root_deep(void) {
  char buf[4096];
  return syscall(SYS_getcwd, buf, sizeof buf) > 0 && buf[0] == '/';
}

/* getcwd(2) itself: it says "(unreachable)" where the directory is not below the root (CVE-2024-21626). */
static bool inside_root(void) {
  char buf[256]; /* what the frame is larger by is the container's memory */
  long n = syscall(SYS_getcwd, buf, sizeof buf);
  return n < 0 && errno == ERANGE ? inside_root_deep() : n > 0 && buf[0] == '/';
}

int do_chdir(const struct op_chdir *op) {
  const char *path = str(op->path);
  if (op->late && !ctx.late_chdir) return 0;
  if (op->create) {
    int fd = make_target(path, WANT_DIRECTORY, 0755, LINKS_ALL);
    if (fd >= 0) close(fd);
    else if (errno != ENOTDIR && errno != EACCES && errno != EROFS) return fail(STEP_CHDIR_MKDIR, path);
  }
  if (chdir(path) < 0) {
    /* Root may have no access where the user has (NFS, FUSE): tried again as the user. */
    if (!op->late && (errno == EACCES || errno == EPERM)) {
      ctx.late_chdir = true;
      return 0;
    }
    return fail(STEP_CHDIR_CHDIR, path);
  }
  return inside_root() ? 0 : fail_errno(STEP_CHDIR_OUTSIDE, EPERM, path);
}

int do_no_new_privileges(const struct op_no_new_privileges *op) {
  (void)op;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail(STEP_NO_NEW_PRIVILEGES_PRCTL, NULL) : 0;
}

int do_bounding_set(const struct op_bounding_set *op) {
  for (unsigned cap = 0; cap <= op->last; cap++)
    if (!(op->mask >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
      return fail(STEP_BOUNDING_SET_PRCTL, NULL);
  return 0;
}

int do_credentials(const struct op_credentials *op) {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return fail(STEP_CREDENTIALS_KEEPCAPS, NULL);
  if (op->set_groups && syscall(SYS_setgroups, op->groups.len / 4, str(op->groups)) < 0) return fail(STEP_CREDENTIALS_SETGROUPS, NULL);
  if (syscall(SYS_setresgid, op->gid, op->gid, op->gid) < 0) return fail(STEP_CREDENTIALS_SETGID, NULL);
  if (syscall(SYS_setresuid, op->uid, op->uid, op->uid) < 0) return fail(STEP_CREDENTIALS_SETUID, NULL);
  prctl(PR_SET_DUMPABLE, 0); /* a change of ids sets it to fs.suid_dumpable */
  return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? fail(STEP_CREDENTIALS_KEEPCAPS, NULL) : 0;
}

static long set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].effective = (uint32_t)(effective >> 32 * half);
    data[half].permitted = (uint32_t)(permitted >> 32 * half);
    data[half].inheritable = (uint32_t)(inheritable >> 32 * half);
  }
  return syscall(SYS_capset, &header, data);
}

int do_drop_capabilities(const struct op_drop_capabilities *op) {
  return set_capabilities(op->effective, op->permitted, op->inheritable) < 0 ? fail(STEP_DROP_CAPABILITIES_CAPSET, NULL) : 0;
}

int do_capabilities(const struct op_capabilities *op) {
  if (set_capabilities(op->effective, op->permitted, op->inheritable) < 0) return fail(STEP_CAPABILITIES_CAPSET, NULL);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned cap = 0; cap < 64; cap++)
    if (op->ambient >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) {
      char number[24];
      put_number(number, cap);
      return fail(STEP_CAPABILITIES_AMBIENT, number);
    }
  return 0;
}

enum answer { NO, YES, PERHAPS };

/*
 * A filter that this process was started under may know nothing of these calls. Only what the kernel says of the file
 * counts as an answer; where it does not come to that, execve has the last word.
 */
static bool is_answer(int error) {
  return error == EACCES || error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

static enum answer can_execute(const char *path, int *error) {
  struct stat st;
  if (stat(path, &st) < 0) {
    if (!is_answer(errno)) return PERHAPS;
    if (errno == EACCES || *error == 0) *error = errno;
    return NO;
  }
  *error = EACCES;
  if (S_ISDIR(st.st_mode)) return NO;
  if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return YES;
  return is_answer(errno) || !(st.st_mode & 0111) ? NO : PERHAPS;
}

int do_lookup(const struct op_lookup *op) {
  int error = 0;
  const char *perhaps = NULL;
  for (uint32_t i = 0; i < op->candidates.count; i++) {
    const char *path = str(vec(op->candidates)[i]);
    enum answer answer = can_execute(path, &error);
    if (answer == PERHAPS && !perhaps) perhaps = path;
    if (answer != YES) continue;
    ctx.found = path;
    return 0;
  }
  ctx.found = perhaps;
  if (perhaps) return 0;
  return fail_errno(STEP_LOOKUP_ACCESS, error ? error : ENOENT, op->candidates.count == 1 ? str(vec(op->candidates)[0]) : NULL);
}

static void end_by_signal(int number) { leave(128 + number); }

/*
 * Blocks until start connects, and takes a pipe from it to answer by. It is a socket that is waited on, and no FIFO: who
 * opens a file of the host's in /proc/PID/fd has the whole file system that it is on (open_by_handle_at(2)).
 */
int do_await_start(const struct op_await_start *op) {
  /* The first process of a pid namespace gets no signal that it has no handler for (pid_namespaces(7)). */
  static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
  for (unsigned i = 0; i < sizeof ending / sizeof *ending; i++) signal(ending[i], end_by_signal);
  close(ctx.sync); /* the launcher is gone */
  ctx.sync = -1;
  char byte;
  int end = -1;
  while (end < 0) {
    int connection = accept4(slot_fd(op->slot), NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0 && errno != EINTR) return fail(STEP_AWAIT_START_ACCEPT, NULL);
    if (connection < 0) continue;
    receive_fd(connection, &byte, 1, &end); /* nothing comes from a start that was killed */
    close(connection);
  }
  set_slot(op->slot, -1);
  ctx.starter = end;
  return write_all(end, "S", 1) < 0 ? fail(STEP_AWAIT_START_WRITE, NULL) : 0;
}

int do_prepare_exec(const struct op_prepare_exec *op) {
  ctx.argv = list_of(op->argv, 0);
  ctx.env = expand_list(op->env, 1);
  if (ctx.home) ctx.env[op->env.count] = ctx.home;
  if (!inside_root()) return fail_errno(STEP_PREPARE_EXEC_OUTSIDE, EPERM, NULL);
  return 0;
}

int do_exec(const struct op_exec *op) {
  execve(ctx.found, ctx.argv, ctx.env);
  return fail(op->forbidden ? STEP_EXEC_FORBIDDEN : STEP_EXEC_EXECVE, ctx.found);
}
