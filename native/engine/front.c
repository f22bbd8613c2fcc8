/*
 * A process that engines start as root and in other people's directories gets what TypeScript takes for granted: open
 * standard descriptors, a working directory and /proc. What was found is appended to argv[0] (src/host.ts):
 *
 *     NAME \x1f nofile=1024;cwd=deleted
 *
 * cwd is only there when it was lost, and fsize=SOFT:HARD where the size of files was limited.
 */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20 /* Linux 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10 /* Linux 6.3; without it vm.memfd_noexec=1 makes a file that cannot be executed */
#endif
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1
#define MFD_ALLOW_SEALING 2
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4 /* Linux 5.11 */
#endif

/* Above the descriptors that --preserve-fds hands on, below what would make the kernel grow the table. */
#define INIT_FD 40

extern const char init_image[], init_image_end[];

static void open_stdio(void)
{
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      open("/dev/null", O_RDWR);
}

static void require_proc(void)
{
  static const char message[] = "tsrunc: /proc is not mounted\n";
  if (access("/proc/self/exe", F_OK) == 0)
    return;
  if (write(2, message, sizeof message - 1) < 0)
    _exit(2);
  _exit(1);
}

/* Returns 1 when the current directory was lost and is now "/". */
static int mend_directory(void)
{
  char path[4096];
  long n = syscall(SYS_getcwd, path, sizeof path);
  if (n > 0 && path[0] == '/')
    return 0;
  return chdir("/") == 0;
}

/* What the caller left open is not for tsrunc-init; --preserve-fds opens it up again. */
static void close_on_exec(void)
{
  if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
    return;
  /* Linux 5.10. Descriptors beyond are as rare as callers with so many of them. */
  for (int fd = 3; fd < 1024; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int write_init(int fd)
{
  const char *data = init_image;
  while (data < init_image_end) {
    ssize_t n = write(fd, data, (size_t)(init_image_end - data));
    if (n <= 0)
      return n == 0 ? -EIO : -errno;
    data += n;
  }
  return 0;
}

static int init_in_memfd(void)
{
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = (int)syscall(SYS_memfd_create, "tsrunc-init", flags | MFD_EXEC);
  if (fd < 0 && errno == EINVAL)
    fd = (int)syscall(SYS_memfd_create, "tsrunc-init", flags);
  if (fd < 0)
    return -errno;
  int error = write_init(fd);
  if (error == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) < 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
    error = -errno;
  if (error == 0)
    return fd;
  close(fd);
  return error;
}

static int is_noexec(int fd)
{
  struct statvfs info;
  return fstatvfs(fd, &info) == 0 && (info.f_flag & ST_NOEXEC) != 0;
}

/* Opens the unnamed file again for reading only: while it is open for writing it cannot be executed. */
static int reopen(int fd)
{
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/* For vm.memfd_noexec=2, which refuses executable memfds: an unnamed file wherever one may be executed. */
static int init_in_tmpfile(void)
{
  static const char *const folders[] = {"/run", "/dev/shm", "/tmp", "/var/tmp"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    int file = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0500);
    if (file < 0)
      continue;
    int fd = is_noexec(file) || write_init(file) != 0 ? -1 : reopen(file);
    close(file);
    if (fd >= 0)
      return fd;
  }
  return -1;
}

int front_mapping(const void *data, size_t size, size_t room, int flags)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + room + page - 1) / page * page;
  char *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), path[80];
  if (at == MAP_FAILED)
    return -errno;
  memcpy(at, data, size);
  snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)at, (unsigned long)(at + whole));
  int fd = open(path, flags), error = errno;
  munmap(at, whole);
  return fd < 0 ? -error : fd;
}

int front_copy_init(void)
{
  int error = init_in_memfd();
  int fd = error >= 0 ? error : init_in_tmpfile();
  if (fd < 0 && error == -EFBIG)
    fd = front_mapping(init_image, (size_t)(init_image_end - init_image), 0, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, INIT_FD);
  if (high < 0) /* RLIMIT_NOFILE is below INIT_FD */
    return fd;
  close(fd);
  return high;
}

/*
 * RLIMIT_FSIZE counts for memfds too, and writing beyond it would end the process by SIGXFSZ. The container's process
 * gets it back. Returns whether there is one.
 */
static int lift_file_size(struct rlimit *limit)
{
  if (getrlimit(RLIMIT_FSIZE, limit) < 0 || limit->rlim_cur == RLIM_INFINITY)
    return 0;
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_FSIZE, &none) < 0) { /* without CAP_SYS_RESOURCE */
    none.rlim_cur = none.rlim_max = limit->rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);
  }
  return 1;
}

static unsigned long long nanoseconds(clockid_t clock)
{
  struct timespec time = {0, 0};
  clock_gettime(clock, &time);
  return (unsigned long long)time.tv_sec * 1000000000u + (unsigned long long)time.tv_nsec;
}

char *front_prepare(const char *name)
{
  /* For --timings: both clocks at one moment. */
  unsigned long long wall = nanoseconds(CLOCK_REALTIME), start = nanoseconds(CLOCK_MONOTONIC);
  open_stdio();
  require_proc();
  int lost = mend_directory();
  close_on_exec();
  struct rlimit nofile = {0, 0};
  getrlimit(RLIMIT_NOFILE, &nofile);
  struct rlimit file_size = {0, 0};
  char limited[64] = "";
  if (lift_file_size(&file_size))
    snprintf(limited, sizeof limited, ";fsize=%llu:%llu", (unsigned long long)file_size.rlim_cur,
             (unsigned long long)file_size.rlim_max);
  size_t size = strlen(name) + 192;
  static char text[8192];
  char *to = size <= sizeof text ? text : malloc(size);
  if (to != NULL)
    snprintf(to, size, "%s\x1fnofile=%llu;start=%llu;wall=%llu%s%s", name,
             (unsigned long long)nofile.rlim_cur, start, wall, limited, lost ? ";cwd=deleted" : "");
  return to;
}
