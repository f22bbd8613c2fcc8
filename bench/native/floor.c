/*
 * The floor under what a runtime can reach: the namespaces, cgroups, mounts, devices and masked paths of the bundle that
 * is measured, made by plain calls. There is no JSON, no state, no lock, no rule for devices, no care for hostile file
 * systems and hardly a message.
 *
 *   floor ROOTFS NETWORK VERSION CGROUP… -- PROGRAM
 *
 * NETWORK is 1 for a network namespace; VERSION is that of cgroups; a CGROUP is a directory to make, on v1 one in each
 * hierarchy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

enum { FLAGS = MS_NOSUID | MS_NOEXEC | MS_NODEV };

static char **cgroups;
static int cgroup_count;

static void must(int ok, const char *what) {
  if (ok) return;
  dprintf(2, "floor: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void put(const char *directory, const char *file, const char *text, size_t length) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  must(fd >= 0 && write(fd, text, length) == (ssize_t)length, path);
  close(fd);
}

/* A cpuset is empty on v1 until it is given what its parent has. */
static void fill_cpuset(const char *cgroup, const char *file) {
  char path[512], text[256];
  snprintf(path, sizeof path, "%s/../%s", cgroup, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, text, sizeof text);
  close(fd);
  must(length > 0, path);
  put(cgroup, file, text, (size_t)length);
}

static void make_cgroups(int version) {
  for (int i = 0; i < cgroup_count; i++) {
    must(mkdir(cgroups[i], 0755) == 0, cgroups[i]);
    if (version != 1) continue;
    fill_cpuset(cgroups[i], "cpuset.cpus");
    fill_cpuset(cgroups[i], "cpuset.mems");
  }
}

static pid_t clone_child(int network, int version) {
  struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD};
  if (network) args.flags |= CLONE_NEWNET;
  if (version == 2) {
    args.flags |= CLONE_NEWCGROUP | CLONE_INTO_CGROUP;
    int fd = open(cgroups[0], O_PATH | O_CLOEXEC);
    must(fd >= 0, cgroups[0]);
    args.cgroup = (uint64_t)fd;
  }
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  must(pid >= 0, "clone3");
  return pid;
}

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  mkdir(target, 0755);
  must(mount(source, target, type, flags, data) == 0, target);
}

static void mount_cgroups(int version) {
  if (version == 2) return mount_at("cgroup", "sys/fs/cgroup", "cgroup2", FLAGS | MS_RELATIME | MS_RDONLY, NULL);
  mount_at("cgroup", "sys/fs/cgroup", "tmpfs", FLAGS, "mode=755");
  for (int i = 0; i < cgroup_count; i++) {
    char target[64];
    snprintf(target, sizeof target, "sys/fs/cgroup/%d", i);
    mount_at(cgroups[i], target, NULL, MS_BIND, NULL);
    must(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | FLAGS, NULL) == 0, target);
  }
  must(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | FLAGS, NULL) == 0, "cgroup");
}

static void mount_all(int version) {
  mount_at("proc", "proc", "proc", 0, NULL);
  mount_at("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  mount_at("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("shm", "dev/shm", "tmpfs", FLAGS, "mode=1777,size=65536k");
  mount_at("mqueue", "dev/mqueue", "mqueue", FLAGS, NULL);
  mount_at("sysfs", "sys", "sysfs", FLAGS | MS_RDONLY, NULL);
  mount_cgroups(version);
}

static void make_devices(void) {
  static const struct {
    const char *path;
    int major, minor;
  } devices[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
                 {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    dev_t device = makedev((unsigned)devices[i].major, (unsigned)devices[i].minor);
    must(mknod(devices[i].path, S_IFCHR | 0666, device) == 0, devices[i].path);
  }
  must(symlink("pts/ptmx", "dev/ptmx") == 0 && symlink("/proc/self/fd", "dev/fd") == 0, "symlink");
  must(symlink("/proc/self/fd/0", "dev/stdin") == 0 && symlink("/proc/self/fd/1", "dev/stdout") == 0, "symlink");
  must(symlink("/proc/self/fd/2", "dev/stderr") == 0, "symlink");
}

static void protect_paths(void) {
  static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
  static const char *const masked[] = {"proc/acpi",         "proc/asound",     "proc/kcore",       "proc/keys",
                                       "proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
                                       "sys/firmware",      "proc/scsi"};
  for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++) {
    if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) < 0) continue;
    must(mount(NULL, readonly[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | FLAGS, NULL) == 0, readonly[i]);
  }
  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
    if (mount("dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    must(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "nr_inodes=1") == 0, masked[i]);
  }
}

static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo");
  close(fd);
}

static void become(const char *rootfs, int network, int version, char **program) {
  // As one thread, to `tasks`: a write to cgroup.procs waits for an RCU grace period.
  for (int i = 0; version == 1 && i < cgroup_count; i++) put(cgroups[i], "tasks", "0", 1);
  setsid();
  if (network) loopback_up();
  must(sethostname("bench", 5) == 0, "sethostname");
  must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, "propagation");
  must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) == 0 && chdir(rootfs) == 0, rootfs);
  mount_all(version);
  make_devices();
  protect_paths();
  must(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "pivot_root");
  must(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0, "/");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  execv(program[0], program);
  must(0, program[0]);
}

int main(int argc, char **argv) {
  if (argc < 7) return 64;
  int network = atoi(argv[2]), version = atoi(argv[3]), status;
  cgroups = argv + 4;
  while (4 + cgroup_count < argc - 1 && strcmp(cgroups[cgroup_count], "--") != 0) cgroup_count++;
  make_cgroups(version);
  pid_t pid = clone_child(network, version);
  if (pid == 0) become(argv[1], network, version, cgroups + cgroup_count + 1);
  must(waitpid(pid, &status, 0) == pid, "waitpid");
  for (int i = 0; i < cgroup_count; i++) must(rmdir(cgroups[i]) == 0, cgroups[i]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
