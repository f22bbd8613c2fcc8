/*
 * tsrunc-init: executes a program that tsrunc's TypeScript compiled from config.json (ARCHITECTURE.md).
 * It decides nothing: it knows ops, not OCI fields. The ops and their operands are in ops.h, generated
 * from src/program/ops.ts.
 *
 * One process runs the `launcher` list on the host's side; its `clone` op makes the container's first
 * process, which runs the `init` list and ends by becoming the user's program.
 *
 * Handlers return 0, or -1 after `fail()` noted the step, the errno and a detail.
 */
#ifndef TSRUNC_INIT_H
#define TSRUNC_INIT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#include "ops.h"

#define PROGRAM_MAGIC 0x50525354u /* "TSRP" */
#define DETAIL_SIZE 480
#define SLOTS 32
#define LAUNCHER_SLOTS 16 /* from here on: closed in init */

enum { LIST_LAUNCHER, LIST_INIT, LIST_CLEANUP, LISTS };
enum { HEAD_OR_ELSE = 1, HEAD_QUIET = 2, HEAD_IF_FORBIDDEN = 4 };
enum { PROGRAM_TIMINGS = 1 };
enum { FAULT_KILL = 65535 };

struct list { uint32_t off, count; };

struct program {
  uint32_t magic, hash, size, flags;
  struct list lists[LISTS];
  struct pvec reporter; /* argv of what formats failures; empty: the parent reads them */
  uint32_t fault_list, fault_index, fault_errno, keep_fds;
  struct pstr context;  /* for the reporter */
  uint32_t cleanup_from; /* failures of launcher ops before this one leave all as it is */
  uint32_t tail; /* from here on: what init's ops after `forget` point to */
};

enum { REPORT_FAILURE = 1, REPORT_WARNING = 2, REPORT_TIMING = 3, REPORT_STATUS = 4, REPORT_CHILD = 5, REPORT_SERVER = 6 };
enum { SERVE_STDIO, SERVE_CHDIR, SERVE_PROGRAM }; /* steps of REPORT_SERVER: what failed before the program began */

/* What is told of an op that failed; appended to the program's file for the reporter. */
struct report {
  uint32_t kind, list, index, step;
  int32_t error, aux;
  uint64_t start_ns, end_ns;
  char detail[DETAIL_SIZE];
};

enum {
  MESSAGE_TOKEN = 1, MESSAGE_FAILURE, MESSAGE_WARNING, MESSAGE_FD,
  MESSAGE_BORN,     /* init is there: ops_process.c */
  MESSAGE_FORK,     /* the last that is believed: ops_fork.c */
  MESSAGE_LISTENER, /* ops_seccomp.c */
};
struct message {
  uint32_t type, token;
  struct report report;
};

/* Memory that launcher and init share, for what init has to tell without a call. */
struct shared {
  _Atomic int listener, agent, alive; /* ops_seccomp.c */
  struct report failure; /* kind 0: none */
};

struct context {
  char *base; /* the program */
  uint32_t size;
  uint32_t strings, tail; /* where what ops point to begins, and what is needed after the op forget */
  int list;
  uint32_t launcher_at; /* index of the launcher's op */
  int program_fd, sync; /* sync: this side's end of the channel between launcher and init */
  int slots[SLOTS];
  int starter;           /* init: the connection of who started it, where failures go from then on */
  int proc, root, null;  /* the host's /proc, the container's root, the host's /dev/null */
  bool peers;            /* init: mounts of this namespace may share their events with the host's */
  pid_t pid;             /* launcher: the container's first process */
  int pidfd, helper;     /* pidfds: of that process, and of the one that shares its descriptors */
  int helper_sync;       /* an end of the channel between launcher and helper */
  int maker;             /* launcher: pidfd of who forked that process: ops_fork.c */
  struct shared *shared;
  _Atomic pid_t *born;   /* where the kernel writes the pid of a child that CLONE_PARENT makes the launcher's */
  bool helped, kept;     /* init: there is a helper; it is the one that gives the listener to the agent */
  bool forked;           /* init: it is, or makes, the child of the op fork */
  bool distrusted;       /* launcher: nothing that init says is believed any more */
  unsigned joined;       /* init: slots of namespaces that it was born in */
  uint64_t start;        /* its start time */
  uint64_t early;        /* a token that came before it was waited for */
  int exit_code;
  bool warned, foreground_pty;
  bool cleanup;          /* launcher: the failure of init is one that cleanup follows */
  int pty;               /* launcher: master of a foreground terminal */
  struct report failure; /* what fail() noted */
  struct report *timings;
  uint32_t timed;
  char **environment;
  const char *found;     /* what lookup chose */
  char **argv, **env;    /* of the user's program */
  bool silent;           /* init: nothing may be said but in shared memory */
  char *home;
  bool late_chdir;
  uint64_t file_size[2]; /* RLIMIT_FSIZE of the caller, soft and hard, where it was limited */
  bool size_limited;
  size_t room;           /* size of the program's file where it has room for reports and cannot grow */
  bool served; /* forked by the server of a library, which is told what is wrong */
};
extern struct context ctx;

/* linux_dirent64, see getdents64(2) */
struct entry { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[]; };

/* What /proc/PID/stat tells (proc_pid_stat(5)). */
struct process { uint64_t start, flags; char state; };
/* PF_EXITING and PF_FORKNOEXEC of include/linux/sched.h: the second is cleared by execve(2). */
enum { PROCESS_EXITING = 4, PROCESS_NOT_EXECUTED = 0x40 };

/* util.c */
int fail(uint32_t step, const char *detail);
int fail_errno(uint32_t step, int error, const char *detail);
static inline const char *str(struct pstr s) { return s.off ? ctx.base + s.off : NULL; }
static inline const struct pstr *vec(struct pvec v) { return (const struct pstr *)(ctx.base + v.off); }
bool ignored(uint64_t errnos, int error);
char *expand(struct pstr text, size_t *len);
char **expand_list(struct pvec v, size_t extra);
char **list_of(struct pvec v, size_t extra);
void *allocate(size_t size);
int write_all(int fd, const void *data, size_t len);
ssize_t read_file(int dir, const char *path, char *buf, size_t size);
int put_number(char *out, uint64_t n);
int slot_fd(int64_t slot);
int set_slot(int64_t slot, int fd);
uint64_t now_ns(void);
int read_process(pid_t pid, struct process *process);
int read_start(pid_t pid, uint64_t *start, char *state);
int proc_self_path(char *buf, size_t size, const char *file);
int pidfd_open_(pid_t pid);
long clone2(unsigned long flags, void *parent_tid);
int pidfd_signal(int pidfd, int sig);
int wait_pidfd(int pidfd, int64_t ms);
struct winsize;
bool caller_size(struct winsize *size);
int send_fd(int sock, const void *data, size_t len, int fd);
int send_message(int sock, const struct message *m, int fd);
ssize_t receive_fd(int sock, void *data, size_t size, int *fd);
ssize_t receive_message(int sock, struct message *m, int *fd);
_Noreturn void leave(int code);
bool run_list(int list);
_Noreturn void finish(int code);
_Noreturn void execute(int fd);
_Noreturn void serve(void);
_Noreturn void refuse(uint32_t step, const char *detail);
void reset_signals(void);
void lift_file_size(const char *original);
void restore_file_size(void);
void report(const struct report *r);
void warn_or_report(uint32_t kind, const struct report *r);

/* ops_channel.c */
ssize_t hear(struct message *m, int *fd);
int take_message(const struct message *m, int fd);
int child_died(uint32_t step);

/* ops_fork.c */
int share_memory(bool births);
void drop_shared(void);
int take_born(uint32_t step);
int stop_child(void);

/* ops_seccomp.c */
_Noreturn void help(int sock, pid_t launcher);
_Noreturn void help_agent(const struct op_clone *op);
void show_life(bool alive);

/* ops_forget.c */
void forget_environment(void);

/* mount_util.c: the in-root path walk and the new mount calls */
enum want { WANT_ANY, WANT_DIRECTORY, WANT_FILE };
int open_in_root(const char *path, uint64_t flags, uint64_t resolve);
/* Which symbolic links of a path are followed; LINKS_BUT_LAST takes one at its end for the target. */
enum links { LINKS_ALL, LINKS_BUT_LAST, LINKS_NONE };
int make_target(const char *path, enum want want, unsigned mode, enum links links);
int open_parent(const char *path, const char **name);
char *fd_path(char *buf, int fd);
int fs_config(int fs, unsigned cmd, const char *key, const char *value);
int open_tree_(int dir, const char *path, unsigned flags);
int move_mount_(int tree, int target);
unsigned long classic_flags(int fd, uint64_t set, uint64_t clear);
int set_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);

/* mount_table.c */
struct peers { int mount, group; };
int leave_peers(int target, struct peers *p);
int rejoin_peers(struct peers *p, int rc);
int hide_kernel_files(void);
bool is_root(int fd);

/* idmap.c */
int mapped_namespace(const char *uids, const char *gids);
int idmap_tree(int tree, int users, bool recursive);

/* procfs.c */
int open_procfs(int pidns);

int copy_up(int from, int to);

/* ops_files.c */
int open_device(const char *path, uint64_t type, uint64_t major, uint64_t minor);

#define DECLARE(upper, lower) int do_##lower(const struct op_##lower *op);
OPS_ALL(DECLARE)
#undef DECLARE

#endif
