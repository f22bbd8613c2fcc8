/* Start, the check of the program, the loop over its ops, and the end. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "init.h"

struct context ctx = { .program_fd = -1, .sync = -1, .starter = -1, .proc = -1, .root = -1, .null = -1, .pidfd = -1, .helper = -1, .helper_sync = -1,
                       .maker = -1, .pty = -1 };

typedef int (*handler)(const void *op);
#define ENTRY(upper, lower) [OP_##upper] = (handler)(void (*)(void))do_##lower,
static const handler launcher_handlers[OP_MAX] = { OPS_LAUNCHER(ENTRY) };
static const handler init_handlers[OP_MAX] = { OPS_INIT(ENTRY) };
#undef ENTRY

static bool inside(uint64_t off, uint64_t len) { return off <= ctx.size && len <= ctx.size - off; }

static bool string_ok(struct pstr s, bool optional, bool binary) {
  if (s.off == 0) return optional && s.len == 0;
  if (s.off < sizeof(struct program) || !inside(s.off, (uint64_t)s.len + 1)) return false;
  return binary || (ctx.base[s.off + s.len] == 0 && !memchr(ctx.base + s.off, 0, s.len));
}

static bool vector_ok(struct pvec v) {
  if (v.count == 0) return true;
  if (v.off % 4 || !inside(v.off, (uint64_t)v.count * sizeof(struct pstr))) return false;
  for (uint32_t i = 0; i < v.count; i++)
    if (!string_ok(vec(v)[i], false, false)) return false;
  return true;
}

static bool operand_ok(uint8_t kind, const void *word) {
  struct pstr s;
  struct pvec v;
  int64_t n;
  switch (kind) {
    case KIND_BYTES: case KIND_DBUS:
      memcpy(&s, word, sizeof s);
      return string_ok(s, s.len == 0, true);
    case KIND_STR: case KIND_TEXT: case KIND_STR_OPT:
      memcpy(&s, word, sizeof s);
      return string_ok(s, kind == KIND_STR_OPT, false);
    case KIND_STRS: case KIND_TEXTS: memcpy(&v, word, sizeof v); return vector_ok(v);
    case KIND_SLOT: memcpy(&n, word, sizeof n); return n >= -1 && n < SLOTS;
    case KIND_BOOL: memcpy(&n, word, sizeof n); return n == 0 || n == 1;
    default: return true;
  }
}

/* Every offset is checked here, once, so that handlers can follow them (CVE-2021-43784 class). */
static bool list_ok(int index) {
  const struct program *p = (const struct program *)ctx.base;
  const handler *handlers = index == LIST_INIT ? init_handlers : launcher_handlers;
  uint64_t off = p->lists[index].off;
  for (uint32_t i = 0; i < p->lists[index].count; i++) {
    if (off % 8 || !inside(off, sizeof(struct op_head))) return false;
    const struct op_head *head = (const struct op_head *)(ctx.base + off);
    if (head->opcode == 0 || head->opcode >= OP_MAX || !handlers[head->opcode] || head->index != i) return false;
    const struct op_layout *layout = &op_layouts[head->opcode];
    if (!inside(off, layout->size)) return false;
    for (unsigned k = 0; k < layout->operands; k++)
      if (!operand_ok(layout->kinds[k], ctx.base + off + 8 + 8 * (uint64_t)k)) return false;
    off += layout->size;
  }
  if (off > ctx.strings && off <= ctx.size) ctx.strings = (uint32_t)off;
  return true;
}

static bool program_ok(void) {
  const struct program *p = (const struct program *)ctx.base;
  ctx.strings = sizeof *p;
  if (ctx.size < sizeof *p || p->magic != PROGRAM_MAGIC || p->hash != OPS_HASH || p->size != ctx.size) return false;
  if (!vector_ok(p->reporter)) return false;
  for (int i = 0; i < LISTS; i++)
    if (!list_ok(i)) return false;
  ctx.tail = p->tail;
  return ctx.tail == 0 || (ctx.tail >= ctx.strings && ctx.tail <= ctx.size);
}

static void note_time(const struct op_head *head, uint64_t start) {
  struct report *t = &ctx.timings[ctx.list * 512 + (head->index < 512 ? head->index : 511)];
  t->kind = REPORT_TIMING;
  t->list = (uint32_t)ctx.list;
  t->index = head->index;
  t->start_ns = start;
  t->end_ns = now_ns();
}

static int run_op(const struct op_head *head) {
  const struct program *p = (const struct program *)ctx.base;
  if (p->fault_errno && p->fault_list == (uint32_t)ctx.list && p->fault_index == head->index) {
    if (p->fault_errno == FAULT_KILL) {
      kill(getpid(), SIGKILL);
      __builtin_trap(); /* the first process of a pid namespace is deaf to its own SIGKILL, but not to this */
    }
    return fail_errno(0, (int)p->fault_errno, "injected");
  }
  const handler *handlers = ctx.list == LIST_INIT ? init_handlers : launcher_handlers;
  uint64_t start = ctx.timings ? now_ns() : 0;
  int rc = handlers[head->opcode](head);
  if (ctx.timings) note_time(head, start);
  return rc;
}

/* Whether a failure is none. The kernel says EBUSY of a file system whose options would be others than they are. */
static bool passed_over(unsigned flags, int error) {
  if (flags & HEAD_IF_FORBIDDEN) return error == EPERM || error == EBUSY;
  return flags & (HEAD_QUIET | HEAD_OR_ELSE);
}

/* Runs a list to its end; false, with ctx.failure set, where an op failed. */
bool run_list(int list) {
  const struct program *p = (const struct program *)ctx.base;
  const char *at = ctx.base + p->lists[list].off;
  int outer = ctx.list;
  ctx.list = list;
  bool skip = false, ok = true, left = false;
  for (uint32_t i = 0; i < p->lists[list].count && ok; i++) {
    const struct op_head *head = (const struct op_head *)at;
    at += op_layouts[head->opcode].size;
    /* What could not be taken away stays known to `delete`, which goes by the state directory. */
    if (left && head->opcode == OP_REMOVE_DIR) continue;
    if (skip) {
      skip = false;
      continue;
    }
    if (list == LIST_LAUNCHER) ctx.launcher_at = i;
    ctx.failure.index = i;
    ctx.failure.list = (uint32_t)list;
    int rc = run_op(head);
    if (rc == 0) skip = head->flags & HEAD_OR_ELSE;
    else if (passed_over(head->flags, ctx.failure.error)) continue;
    else if (list == LIST_CLEANUP) {
      left = true;
      warn_or_report(REPORT_WARNING, &ctx.failure);
    } else ok = false;
  }
  ctx.list = outer;
  return ok;
}

/* Mapped for the moment only: init is not to have the program in its memory. */
static void report_in_room(const struct report *r) {
  static size_t used;
  size_t at = ctx.size + used;
  if (at + sizeof *r > ctx.room) return;
  char *file = mmap(NULL, ctx.room, PROT_READ | PROT_WRITE, MAP_SHARED, ctx.program_fd, 0);
  if (file == MAP_FAILED) return;
  memcpy(file + at, r, sizeof *r);
  munmap(file, ctx.room);
  used += sizeof *r;
}

void report(const struct report *r) {
  if (ctx.room) {
    report_in_room(r);
    return;
  }
  if (lseek(ctx.program_fd, 0, SEEK_END) >= 0) write_all(ctx.program_fd, r, sizeof *r);
}

/* From init: to the launcher; from the launcher: to the program's file. */
void warn_or_report(uint32_t kind, const struct report *r) {
  struct message m = { .type = kind == REPORT_FAILURE ? MESSAGE_FAILURE : MESSAGE_WARNING, .report = *r };
  m.report.kind = kind;
  if (ctx.list == LIST_INIT) send_message(ctx.sync, &m, -1);
  else {
    ctx.warned = true;
    report(&m.report);
  }
}

/* Ends the launcher; what there is to tell is told by the reporter, which takes this process over. */
_Noreturn void finish(int code) {
  const struct program *p = (const struct program *)ctx.base;
  if (ctx.timings)
    for (uint32_t i = 0; i < LISTS * 512; i++)
      if (ctx.timings[i].kind) {
        struct report timing = ctx.timings[i]; /* the memory is init's too */
        timing.kind = REPORT_TIMING;
        timing.detail[0] = 0;
        report(&timing);
      }
  if ((!ctx.warned && !ctx.timings) || p->reporter.count == 0) _exit(code);
  struct report status = { .kind = REPORT_STATUS, .aux = code };
  report(&status);
  char number[16];
  put_number(number, (uint64_t)ctx.program_fd);
  char **argv = list_of(p->reporter, 1);
  argv[p->reporter.count] = number;
  fcntl(ctx.program_fd, F_SETFD, 0);
  prctl(PR_SET_DUMPABLE, 1);
  execve(argv[0], argv + 1, ctx.environment);
  static const char lost[] = "tsrunc-init: a failure could not be reported\n";
  write_all(2, lost, sizeof lost - 1);
  _exit(code ? code : 1);
}

void reset_signals(void) {
  struct sigaction sa = { .sa_handler = SIG_DFL };
  for (int sig = 1; sig < 65; sig++) sigaction(sig, &sa, NULL);
  uint64_t none = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

/* To the client of the server: nothing of the program has been done. */
_Noreturn void refuse(uint32_t step, const char *detail) {
  fail(step, detail);
  ctx.failure.kind = REPORT_SERVER;
  report(&ctx.failure);
  _exit(1);
}

static _Noreturn void usage(const char *why) {
  if (ctx.served) refuse(SERVE_PROGRAM, why);
  write_all(2, "tsrunc-init: ", 13);
  write_all(2, why, strlen(why));
  write_all(2, "\n", 1);
  _exit(1);
}

/*
 * Reads the program that is open as `fd`, which from then on is what reports go to. It is not mapped: what is mapped can be
 * opened as a whole by who may look into this process (/proc/PID/map_files).
 */
static void load(int fd) {
  ctx.program_fd = fd;
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) usage("cannot open the program");
  if (st.st_size < (off_t)sizeof(struct program) || st.st_size > (1 << 30)) usage("the program is damaged");
  ctx.size = (uint32_t)st.st_size;
  struct program head;
  if (ctx.size_limited && pread(fd, &head, sizeof head, 0) == sizeof head && head.size >= sizeof head && head.size < ctx.size) {
    ctx.room = ctx.size;
    ctx.size = head.size;
  }
  ctx.base = mmap(NULL, ctx.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (ctx.base == MAP_FAILED) usage("there is no memory for the program");
  for (uint32_t have = 0; have < ctx.size;) {
    ssize_t n = pread(fd, ctx.base + have, ctx.size - have, have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) usage("cannot read the program");
    have += (uint32_t)n;
  }
  if (!program_ok()) usage("the program is damaged");
}

/* What init said before it went is the reason for what then failed out here. */
static void prefer_word_of_init(struct report *failure) {
  struct message m;
  int fd;
  if (ctx.sync < 0 || ctx.distrusted) return;
  fcntl(ctx.sync, F_SETFL, O_NONBLOCK);
  while (receive_message(ctx.sync, &m, &fd) > 0) {
    if (fd >= 0) close(fd);
    if (m.type == MESSAGE_FAILURE) *failure = m.report;
  }
}

/* The process that goes on, for a parent that reads the reports itself; with times also one that is gone. */
static void report_child(void) {
  const struct program *p = (const struct program *)ctx.base;
  if (ctx.timings ? ctx.pid == 0 : p->reporter.count || ctx.pidfd < 0) return;
  struct report child = { .kind = REPORT_CHILD, .aux = ctx.pid, .start_ns = ctx.start };
  report(&child);
}

_Noreturn void execute(int fd) {
  prctl(PR_SET_NAME, "tsrunc-init");
  umask(0);
  for (int i = 0; i < SLOTS; i++) ctx.slots[i] = -1;
  load(fd);
  const struct program *p = (const struct program *)ctx.base;
  /* Above the fds that are to be kept only our own may be open from here on (CVE-2024-21626). */
  unsigned first = 3 + p->keep_fds;
  if ((unsigned)ctx.program_fd != first) {
    int moved = fcntl(ctx.program_fd, F_DUPFD_CLOEXEC, (int)first);
    if (moved < 0) usage("cannot move the program's fd");
    close(ctx.program_fd);
    ctx.program_fd = moved;
  }
  unsigned own = (unsigned)ctx.program_fd;
  if (own > first) syscall(SYS_close_range, first, own - 1, 0);
  syscall(SYS_close_range, own + 1, ~0u, 0);
  if (p->flags & PROGRAM_TIMINGS) {
    ctx.timings = mmap(NULL, LISTS * 512 * sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ctx.timings == MAP_FAILED) ctx.timings = NULL;
  }
  if (!run_list(LIST_LAUNCHER)) {
    struct report failure = ctx.failure;
    stop_child();
    prefer_word_of_init(&failure);
    failure.kind = REPORT_FAILURE;
    if (ctx.launcher_at >= p->cleanup_from || ctx.cleanup) run_list(LIST_CLEANUP);
    ctx.warned = true;
    report(&failure);
    if (ctx.timings) report_child();
    finish(1);
  }
  report_child();
  finish(ctx.exit_code);
}

/* The number of a descriptor that the caller left open; -1 where it is none. */
static int descriptor(const char *text) {
  int fd = 0;
  if (!*text) return -1;
  for (; *text >= '0' && *text <= '9' && fd < 1 << 20; text++) fd = fd * 10 + (*text - '0');
  return *text ? -1 : fd;
}

/* tsrunc-init FD [SOFT:HARD], or tsrunc-init serve. The limits are those that the caller had on the size of files. */
int main(int argc, char **argv, char **envp) {
  if (argc < 2 || argc > 3) usage("this is a part of tsrunc and not run by hand");
  prctl(PR_SET_DUMPABLE, 0);
  reset_signals();
  ctx.environment = envp;
  ctx.served = !strcmp(argv[1], "serve");
  lift_file_size(argc == 3 ? argv[2] : NULL);
  int fd = ctx.served ? -1 : descriptor(argv[1]);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  for (int i = 1; i < argc; i++) memset(argv[i], 0, strlen(argv[i])); /* everybody in the container could read it in /proc/PID/cmdline */
  if (ctx.served) serve();
  execute(fd);
}
