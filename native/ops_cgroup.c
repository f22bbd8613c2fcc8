/* Cgroup files, the device program of cgroup v2, and removal that waits for the last process. */
#include <linux/bpf.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include "init.h"

#ifndef BPF_F_ALLOW_MULTI
#define BPF_F_ALLOW_MULTI 2
#endif

static int write_file(const char *path, const char *text, size_t len, uint32_t open_step, uint64_t ignore) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return ignored(ignore, errno) ? 0 : fail(open_step, path);
  int rc = write_all(fd, text, len), error = errno;
  close(fd);
  return rc == 0 || ignored(ignore, error) ? 0 : fail_errno(open_step + 1, error, path);
}

int do_attach(const struct op_attach *op) {
  char pid[24];
  int len = put_number(pid, (uint64_t)ctx.pid);
  return write_file(str(op->path), pid, (size_t)len, STEP_ATTACH_OPEN, op->ignore);
}

static int bpf(int cmd, union bpf_attr *attr) { return (int)syscall(SYS_bpf, cmd, attr, sizeof *attr); }

/* Attaches the new program before the old ones go: at no moment may the cgroup be without one. */
int do_device_program(const struct op_device_program *op) {
  int dir = open(str(op->cgroup), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return fail(STEP_DEVICE_PROGRAM_OPEN, str(op->cgroup));
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uintptr_t)str(op->program);
  attr.insn_cnt = op->program.len / 8;
  attr.license = (uintptr_t)"GPL";
  int program = bpf(BPF_PROG_LOAD, &attr);
  if (program < 0) return fail(STEP_DEVICE_PROGRAM_LOAD, str(op->cgroup));
  uint32_t old[64], count = 0;
  if (!op->beside) {
    memset(&attr, 0, sizeof attr);
    attr.query.target_fd = (uint32_t)dir;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = (uintptr_t)old;
    attr.query.prog_cnt = 64;
    if (bpf(BPF_PROG_QUERY, &attr) < 0) return fail(STEP_DEVICE_PROGRAM_QUERY, str(op->cgroup));
    count = attr.query.prog_cnt;
  }
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)dir;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, &attr) < 0) return fail(STEP_DEVICE_PROGRAM_ATTACH, str(op->cgroup));
  for (uint32_t i = 0; i < count; i++) {
    memset(&attr, 0, sizeof attr);
    attr.prog_id = old[i];
    int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
    if (fd < 0) continue;
    memset(&attr, 0, sizeof attr);
    attr.target_fd = (uint32_t)dir;
    attr.attach_bpf_fd = (uint32_t)fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    if (bpf(BPF_PROG_DETACH, &attr) < 0) return fail(STEP_DEVICE_PROGRAM_DETACH, str(op->cgroup));
    close(fd);
  }
  close(program);
  close(dir);
  return 0;
}

static void kill_listed(int dir) {
  int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char buf[4096];
  pid_t pid = 0;
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0)
    for (ssize_t i = 0; i < n; i++) {
      if (buf[i] >= '0' && buf[i] <= '9') {
        pid = pid * 10 + (buf[i] - '0');
        continue;
      }
      if (pid > 1) kill(pid, SIGKILL);
      pid = 0;
    }
  close(fd);
}

static void kill_members(int dir) {
  int fd = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC); /* Linux 5.14, v2 only */
  if (fd < 0 || write(fd, "1", 1) < 0) kill_listed(dir);
  if (fd >= 0) close(fd);
}

static int open_child(int dir, const char *name) { return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW); }

/* Whether a child is left; `name` is one that did not go. */
static bool remove_children(int dir, char name[256]) {
  char buf[4096] __attribute__((aligned(8)));
  bool left = false;
  long n;
  lseek(dir, 0, SEEK_SET);
  while ((n = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0)
    for (long at = 0; at < n;) {
      struct entry *e = (struct entry *)(buf + at);
      at += e->reclen;
      if (e->type != 4 || !strcmp(e->name, ".") || !strcmp(e->name, "..") || unlinkat(dir, e->name, AT_REMOVEDIR) == 0) continue;
      memcpy(name, e->name, strlen(e->name) + 1);
      left = true;
    }
  return left;
}

#define DEEP 32

/*
 * A container that may make cgroups nests them deeper than our stack and our descriptors go: from DEEP on one branch
 * is followed at a time, up again by `..`. Where a process is still in the way, the next pass goes on.
 */
static void remove_branches(int dir, bool kill_all, uint64_t until) {
  char name[256], first[16];
  for (unsigned depth = 0; now_ns() < until;) {
    if (kill_all) kill_members(dir);
    bool down = remove_children(dir, name);
    if (!down && (depth == 0 || read_file(dir, "cgroup.procs", first, sizeof first) > 0)) return;
    int next = open_child(dir, down ? name : "..");
    if (next < 0 || dup3(next, dir, O_CLOEXEC) < 0) return;
    close(next);
    depth += down ? 1u : -1u;
  }
}

/* The root of a hierarchy is nobody's to kill or remove, whatever a damaged state says. */
static bool is_mount(int dir) {
  struct stat here, above;
  return fstat(dir, &here) == 0 && fstatat(dir, "..", &above, 0) == 0 && here.st_dev != above.st_dev;
}

/* One pass, bottom up; EBUSY where something is still in it. */
static int remove_once(int parent, const char *path, bool kill_all, unsigned depth, uint64_t until) {
  if (unlinkat(parent, path, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
  if (errno != EBUSY && errno != ENOTEMPTY && errno != EROFS) return -1;
  int dir = open_child(parent, path);
  if (dir < 0) return errno == ENOENT ? 0 : -1;
  if (depth == 0 && is_mount(dir)) return close(dir), errno = EPERM, -1;
  if (kill_all) kill_members(dir);
  if (depth == DEEP) remove_branches(dir, kill_all, until);
  char buf[4096] __attribute__((aligned(8)));
  long n;
  while (depth < DEEP && (n = syscall(SYS_getdents64, dir, buf, sizeof buf)) > 0)
    for (long at = 0; at < n;) {
      struct entry *e = (struct entry *)(buf + at);
      at += e->reclen;
      if (e->type == 4 && strcmp(e->name, ".") && strcmp(e->name, "..")) remove_once(dir, e->name, kill_all, depth + 1, until);
    }
  close(dir);
  return unlinkat(parent, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/*
 * Where the hierarchy is mounted read-only, or the kernel makes it so, the directory stays. What is in it is killed all
 * the same, and nothing of the container is left that could be removed by another try: that is told, and no failure.
 */
static int leave_there(const struct op_cgroup_remove *op, uint64_t until) {
  char first[16];
  int dir = open(str(op->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  while (dir >= 0 && op->kill && read_file(dir, "cgroup.procs", first, sizeof first) > 0 && now_ns() < until) {
    struct timespec ts = { 0, 1000000 };
    nanosleep(&ts, NULL);
    if (remove_once(AT_FDCWD, str(op->path), true, 0, until) == 0) break;
  }
  if (dir >= 0) close(dir);
  fail_errno(STEP_CGROUP_REMOVE_RMDIR, EROFS, str(op->path));
  warn_or_report(REPORT_WARNING, &ctx.failure);
  return 0;
}

/* The kernel empties a cgroup some time after the last process was reaped: ask again, sleeping ever longer. */
int do_cgroup_remove(const struct op_cgroup_remove *op) {
  uint64_t until = now_ns() + op->timeout_ms * 1000000u;
  long pause = 50000;
  for (;;) {
    if (remove_once(AT_FDCWD, str(op->path), op->kill, 0, until) == 0) return 0;
    if (errno == EROFS) return leave_there(op, until);
    if (errno != EBUSY && errno != ENOTEMPTY) return fail(STEP_CGROUP_REMOVE_RMDIR, str(op->path));
    if (now_ns() >= until) return fail_errno(STEP_CGROUP_REMOVE_RMDIR, EBUSY, str(op->path));
    struct timespec ts = { 0, pause };
    nanosleep(&ts, NULL);
    if (pause < 8000000) pause *= 2;
  }
}

int do_write_until(const struct op_write_until *op) {
  uint64_t until = now_ns() + op->timeout_ms * 1000000u;
  long pause = 20000;
  char buf[1024];
  for (;;) {
    if (op->text.len && write_file(str(op->path), str(op->text), op->text.len, STEP_WRITE_UNTIL_OPEN, 0) < 0) return -1;
    if (read_file(AT_FDCWD, str(op->poll), buf, sizeof buf) < 0) return fail(STEP_WRITE_UNTIL_READ, str(op->poll));
    if (strstr(buf, str(op->expect))) return 0;
    if (now_ns() >= until) return fail_errno(STEP_WRITE_UNTIL_TIMEOUT, ETIMEDOUT, str(op->poll));
    struct timespec ts = { 0, pause };
    nanosleep(&ts, NULL);
    if (pause < 10000000) pause *= 2;
  }
}
