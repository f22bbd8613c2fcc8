/* Namespaces, names, and what is written to procfs from inside. */
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include "init.h"
#include "mount_api.h"

#define FS_NOSYMFOLLOW 0x2000 /* ST_NOSYMFOLLOW of include/linux/statfs.h: no link can be followed, not even /proc/self/fd/N */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

int do_setns(const struct op_setns *op) {
  bool born = op->slot < LAUNCHER_SLOTS && (ctx.joined >> op->slot & 1);
  if (!born && setns(slot_fd(op->slot), (int)op->flags) < 0) return fail(STEP_SETNS_SETNS, NULL);
  return set_slot(op->slot, -1);
}

int do_unshare(const struct op_unshare *op) { return unshare((int)op->flags) < 0 ? fail(STEP_UNSHARE_UNSHARE, NULL) : 0; }

static int open_proc_self(const char *file, int flags) {
  char path[256];
  if (proc_self_path(path, sizeof path, file) < 0) return -1;
  struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
  return (int)syscall(SYS_openat2, ctx.proc, path, &how, sizeof how);
}

static int write_proc(int fd, struct pstr text) {
  ssize_t n = write(fd, str(text), text.len);
  int error = errno;
  close(fd);
  return errno = error, n < 0 ? -1 : 0;
}

/*
 * Offsets can be set only while no process is in the namespace, so it is made for children (time_namespaces(7)),
 * and entered by its name, which needs no further fork, once the launcher has written them: to root of a user
 * namespace the files of a process that is not dumpable are closed.
 */
int do_timens(const struct op_timens *op) {
  (void)op;
  char path[256];
  if (proc_self_path(path, sizeof path, "ns/time_for_children") < 0) return fail(STEP_TIMENS_SETNS, NULL);
  int fd = openat(ctx.proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0) return fail(STEP_TIMENS_SETNS, NULL);
  close(fd);
  return 0;
}

int do_become_root(const struct op_become_root *op) {
  if (op->groups && syscall(SYS_setgroups, 0, NULL) < 0) return fail(STEP_BECOME_ROOT_SETGROUPS, NULL);
  if (syscall(SYS_setresgid, 0, 0, 0) < 0) return fail(STEP_BECOME_ROOT_SETGID, NULL);
  if (syscall(SYS_setresuid, 0, 0, 0) < 0) return fail(STEP_BECOME_ROOT_SETUID, NULL);
  prctl(PR_SET_DUMPABLE, 0); /* a change of ids sets it to fs.suid_dumpable */
  return 0;
}

int do_setsid(const struct op_setsid *op) {
  (void)op;
  return setsid() < 0 ? fail(STEP_SETSID_SETSID, NULL) : 0;
}

/* A session keyring of its own, so that keys of the host's session cannot be reached from inside. */
int do_keyring(const struct op_keyring *op) {
  long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, str(op->name));
  if (key < 0) return ignored(op->ignore, errno) ? 0 : fail(STEP_KEYRING_JOIN, str(op->name));
  /* possessor: all; user: view, read, search, so that root of the container may look at it */
  if (syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f1b0000) < 0 && !ignored(op->ignore, errno)) return fail(STEP_KEYRING_PERMISSIONS, NULL);
  return 0;
}

int do_hostname(const struct op_hostname *op) {
  return sethostname(str(op->name), op->name.len) < 0 ? fail(STEP_HOSTNAME_SETHOSTNAME, str(op->name)) : 0;
}

int do_domainname(const struct op_domainname *op) {
  return syscall(SYS_setdomainname, str(op->name), op->name.len) < 0 ? fail(STEP_DOMAINNAME_SETDOMAINNAME, str(op->name)) : 0;
}

/*
 * A socket of any family reaches the devices of its network namespace. Hardened units may allow none but AF_UNIX, and
 * that by socketpair(2) alone, which systemd's RestrictAddressFamilies= leaves out.
 */
int do_loopback(const struct op_loopback *op) {
  (void)op;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0) return fail(STEP_LOOPBACK_SOCKET, NULL);
  int sock = pair[0];
  close(pair[1]);
  struct ifreq request = { .ifr_name = "lo" };
  int rc = ioctl(sock, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  if (rc == 0) rc = ioctl(sock, SIOCSIFFLAGS, &request);
  int error = errno;
  close(sock);
  return rc < 0 ? fail_errno(STEP_LOOPBACK_IOCTL, error, "lo") : 0;
}

/* By the host's procfs: the file is the kernel's, whatever the container's /proc/sys may be (CVE-2025-52881). */
int do_sysctl(const struct op_sysctl *op) {
  struct open_how how = { .flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
  int dir = openat(ctx.proc, "sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, str(op->path), &how, sizeof how), error = errno;
  if (dir >= 0) close(dir);
  if (fd < 0) return fail_errno(STEP_SYSCTL_OPEN, error, str(op->path));
  return write_proc(fd, op->value) < 0 ? fail(STEP_SYSCTL_WRITE, str(op->path)) : 0;
}

int do_proc_self(const struct op_proc_self *op) {
  int fd = open_proc_self(str(op->file), O_WRONLY);
  if (fd < 0) return ignored(op->ignore, errno) ? 0 : fail(STEP_PROC_SELF_OPEN, str(op->file));
  if (write_proc(fd, op->text) < 0 && !ignored(op->ignore, errno)) return fail(STEP_PROC_SELF_WRITE, str(op->file));
  return 0;
}
