/*
 * A procfs of a pid namespace that init is not in: it would be seen there, and traced by who may, while it has the rights
 * of the host. Linux takes the namespace as an option since 6.18. Before that the namespace is that of who opens the
 * context of the file system, so a process has to be in there for two system calls. It is made so that nobody gets
 * anything by taking it over: no file but a socket, an empty directory for a root, none of init's memory, no capability but
 * the one that fsopen(2) asks for, and a filter under which it can do nothing else than what it is there for.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "init.h"
#include "mount_api.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define THIS_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define THIS_ARCH AUDIT_ARCH_S390X
#else
#define THIS_ARCH 0 /* no such system call: the helper kills itself */
#endif

#define VISITOR_SECONDS 10 /* whoever traces the helper can hold it up for ever */

/*
 * An empty directory for a root, and nothing else in the mount namespace, which could be entered by who has CAP_SYS_ADMIN.
 * Where there is no pivot_root(2), the root being the kernel's first one, the mounts stay in it.
 */
static int leave_files(void) {
  const unsigned attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
  if (fs < 0 || fs_config(fs, CMD_CREATE, NULL, NULL) < 0) return -1;
  int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
  if (tree < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || move_mount_(tree, root) < 0 || fchdir(tree) < 0) return -1;
  if (syscall(SYS_pivot_root, ".", ".") == 0) return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -1 : 0;
  return chroot(".");
}

static int keep_one_capability(void) {
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2] = { { .effective = 1u << CAP_SYS_ADMIN, .permitted = 1u << CAP_SYS_ADMIN } };
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : 0;
}

#define ALLOW(call) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int allow_little(void) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_fsopen), ALLOW(SYS_sendmsg), ALLOW(SYS_clone), ALLOW(SYS_wait4), ALLOW(SYS_exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* Still where init is: puts away all that the visitor is not to have, and makes it. Ends with the errno of what failed. */
static _Noreturn void make_visitor(int sock, int pidns) {
  if (setns(pidns, CLONE_NEWPID) < 0 || leave_files() < 0 || keep_one_capability() < 0) leave(errno);
  if (dup2(sock, 0) < 0 || syscall(SYS_close_range, 1, ~0u, 0) < 0) leave(errno);
  munmap(ctx.base, ctx.size);
  if (ctx.timings) munmap(ctx.timings, LISTS * 512 * sizeof(struct report));
  drop_shared();
  memset(&ctx, 0, sizeof ctx);
  if (allow_little() < 0) leave(errno);
  long pid = clone2(SIGCHLD, NULL);
  if (pid == 0) {
    int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    if (fs >= 0) send_fd(0, "p", 1, fs);
  } else if (pid > 0) syscall(SYS_wait4, pid, NULL, 0, NULL);
  leave(0);
}

/*
 * Whether the context that came is one of procfs, and not of a file system that somebody in there would have us mount: the
 * kernel names the type where it refuses an option that no file system has.
 */
static bool is_procfs(int fs) {
  static const char expected[] = "e proc: Unknown parameter 'tsrunc'";
  char log[128];
  if (fs_config(fs, SET_FLAG, "tsrunc", NULL) == 0 || errno != EINVAL) return false;
  ssize_t n = read(fs, log, sizeof log);
  return n >= (ssize_t)sizeof expected - 1 && !memcmp(log, expected, sizeof expected - 1);
}

static int by_visitor(int pidns) {
  int socks[2], fs = -1;
  char byte;
  struct timeval patience = { .tv_sec = VISITOR_SECONDS };
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) return -1;
  setsockopt(socks[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  long pid = clone2(SIGCHLD, NULL);
  if (pid == 0) make_visitor(socks[1], pidns);
  int error = errno;
  close(socks[1]);
  if (pid > 0) {
    int status = 0;
    error = receive_fd(socks[0], &byte, 1, &fs) < 0 ? ETIMEDOUT : EPROTO;
    kill((pid_t)pid, SIGKILL); /* its child is done, or in the hands of somebody in there, with nothing to give */
    while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) error = WEXITSTATUS(status);
  }
  close(socks[0]);
  if (fs >= 0 && is_procfs(fs)) return fs;
  if (fs >= 0) close(fs);
  return errno = error, -1;
}

int open_procfs(int pidns) {
  int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
  if (fs < 0) return -1;
  if (syscall(SYS_fsconfig, fs, SET_FD, "pidns", NULL, pidns) == 0) return fs;
  int error = errno;
  close(fs);
  return error == EINVAL ? by_visitor(pidns) : (errno = error, -1);
}
