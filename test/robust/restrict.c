/*
 * Runs a command under restrictions as systemd's units have them: restrict [RESTRICTION…] -- COMMAND…
 * The filters are those of systemd.exec(5), written anew; what is denied has the errno that systemd gives it.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

static struct sock_filter filter[512];
static unsigned length;

static void add(uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) { filter[length++] = (struct sock_filter){ code, jt, jf, k }; }
static void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
static void result(uint32_t value) { add(BPF_RET | BPF_K, value, 0, 0); }
static void deny(int error) { result(SECCOMP_RET_ERRNO | (uint32_t)error); }

/* Loads the number; what follows up to `skip` instructions is for this call. */
static void on_call(long number, uint8_t skip) {
  load(offsetof(struct seccomp_data, nr));
  add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, skip);
}

static void deny_call(long number, int error) {
  on_call(number, 1);
  deny(error);
}

static void argument(unsigned index) { load((uint32_t)offsetof(struct seccomp_data, args) + 8 * index); }

/* Denied where one of `bits` is set in the argument. */
static void deny_any(long number, unsigned index, uint32_t bits, int error) {
  on_call(number, 3);
  argument(index);
  add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
  deny(error);
}

/* Denied where all of `bits` are set. */
static void deny_all(long number, unsigned index, uint32_t bits, int error) {
  on_call(number, 4);
  argument(index);
  add(BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
  add(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1);
  deny(error);
}

static void install(uint32_t otherwise) {
  result(otherwise);
  struct sock_fprog program = { (unsigned short)length, filter };
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
    perror("seccomp");
    exit(99);
  }
  length = 0;
}

static void address_families(const char *names) {
  static const struct { const char *name; uint32_t family; } known[] = {
    { "unix", AF_UNIX }, { "netlink", AF_NETLINK }, { "inet", AF_INET }, { "inet6", AF_INET6 } };
  load(offsetof(struct seccomp_data, nr));
  unsigned jump = length;
  add(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 0);
  argument(0);
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
    if (strstr(names, known[i].name)) {
      add(BPF_JMP | BPF_JEQ | BPF_K, known[i].family, 0, 1);
      result(SECCOMP_RET_ALLOW);
    }
  deny(EAFNOSUPPORT);
  filter[jump].jf = (uint8_t)(length - jump - 1);
  install(SECCOMP_RET_ALLOW);
}

static void suid_sgid(void) {
  uint32_t bits = S_ISUID | S_ISGID;
  deny_any(SYS_fchmod, 1, bits, EPERM);
  deny_any(SYS_fchmodat, 2, bits, EPERM);
  deny_any(SYS_mknodat, 2, bits, EPERM);
  deny_any(SYS_mkdirat, 2, bits, EPERM);
#ifdef SYS_chmod
  deny_any(SYS_chmod, 1, bits, EPERM);
  deny_any(SYS_mknod, 1, bits, EPERM);
  deny_any(SYS_mkdir, 1, bits, EPERM);
#endif
  deny_call(SYS_openat2, ENOSYS); /* its arguments cannot be looked into */
  install(SECCOMP_RET_ALLOW);
}

static void namespaces(void) {
  deny_any(SYS_unshare, 0, NAMESPACES, EPERM);
  deny_any(SYS_clone, 0, NAMESPACES, EPERM);
  deny_call(SYS_setns, EPERM);
  deny_call(SYS_clone3, ENOSYS);
  install(SECCOMP_RET_ALLOW);
}

static void write_execute(void) {
  deny_all(SYS_mmap, 2, PROT_WRITE | PROT_EXEC, EPERM);
  deny_any(SYS_mprotect, 2, PROT_EXEC, EPERM);
  deny_any(SYS_pkey_mprotect, 2, PROT_EXEC, EPERM);
  deny_any(SYS_shmat, 2, 0100000 /* SHM_EXEC */, EPERM);
  install(SECCOMP_RET_ALLOW);
}

/* What is in @mount, @module, @reboot, @swap, @clock, @raw-io, @debug, @cpu-emulation, @obsolete, @privileged only. */
static void system_service(void) {
  static const long denied[] = {
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_move_mount,
    SYS_open_tree, SYS_mount_setattr, SYS_bpf, SYS_ptrace, SYS_perf_event_open, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_settimeofday, SYS_clock_settime, SYS_kexec_load,
    SYS_pidfd_getfd, SYS_process_vm_readv, SYS_sethostname, SYS_setdomainname, SYS_quotactl, SYS_acct };
  for (unsigned i = 0; i < sizeof denied / sizeof *denied; i++) deny_call(denied[i], EPERM);
  install(SECCOMP_RET_ALLOW);
}

static void without(const char *number) {
  unsigned cap = (unsigned)atoi(number);
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2];
  prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  if (syscall(SYS_capget, &header, data) < 0) exit(99);
  data[cap / 32].effective &= ~(1u << cap % 32);
  data[cap / 32].permitted &= ~(1u << cap % 32);
  data[cap / 32].inheritable &= ~(1u << cap % 32);
  if (syscall(SYS_capset, &header, data) < 0) exit(99);
}

int main(int argc, char **argv) {
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--"); i++) {
    const char *word = argv[i];
    if (!strncmp(word, "address-families=", 17)) address_families(word + 17);
    else if (!strcmp(word, "namespaces")) namespaces();
    else if (!strcmp(word, "suid-sgid")) suid_sgid();
    else if (!strcmp(word, "write-execute")) write_execute();
    else if (!strcmp(word, "system-service")) system_service();
    else if (!strcmp(word, "personality")) {
      deny_any(SYS_personality, 0, 0x00ffffff, EPERM);
      install(SECCOMP_RET_ALLOW);
    } else if (!strcmp(word, "realtime")) {
      deny_any(SYS_sched_setscheduler, 1, 3, EPERM);
      install(SECCOMP_RET_ALLOW);
    } else if (!strncmp(word, "deny=", 5)) { /* NUMBER:ERRNO */
      char *rest;
      long number = strtol(word + 5, &rest, 10);
      deny_call(number, atoi(rest + 1));
      install(SECCOMP_RET_ALLOW);
    } else if (!strcmp(word, "no-new-privileges")) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    else if (!strncmp(word, "without-capability=", 19)) without(word + 19);
    else return fprintf(stderr, "unknown restriction %s\n", word), 99;
  }
  if (i + 1 >= argc) return 99;
  execvp(argv[i + 1], argv + i + 1);
  perror(argv[i + 1]);
  return 99;
}
