/*
 * The front of the standalone executable: runs after ld.so and before Bun's _start, in the same process.
 *
 * Bun has behaviours that a program started by engines, as root and in other people's directories cannot
 * have: it obeys BUN_OPTIONS (preload), BUN_BE_BUN and the like, does not start in a deleted directory,
 * prints a crash report where /proc is missing and raises RLIMIT_NOFILE. The front mends the first three,
 * remembers the last, switches the JIT off (mostly), and puts tsrunc-init into a sealed memfd, so that TypeScript can
 * execute it without FFI. What it found is appended to argv[0], which is read as process.argv0:
 *
 *     NAME \x1f nofile=1024;init=40;cwd=deleted
 *
 * init is -errno where no private copy could be made; cwd is only there when it was lost.
 *
 * It has no libc, no writable data and no relocations: see front.ld.
 */
#include <stddef.h>
#include <stdint.h>

#include "syscalls.h"

#define AT_FDCWD (-100)
#define O_RDONLY 0
#define O_RDWR 2
#define O_CLOEXEC 02000000
#if defined(__aarch64__)
#define O_TMPFILE (020000000 | 040000)
#else
#define O_TMPFILE (020000000 | 0200000)
#endif
#define F_GETFD 1
#define F_ADD_SEALS 1033
#define F_DUPFD_CLOEXEC 1030
#define SEALS 0x0f     /* F_SEAL_SEAL, SHRINK, GROW, WRITE */
#define SEAL_EXEC 0x20 /* Linux 6.3 */
#define MFD_CLOEXEC 1
#define MFD_ALLOW_SEALING 2
#define MFD_EXEC 0x10 /* Linux 6.3; without it vm.memfd_noexec=1 makes a file that cannot be executed */
#define ST_NOEXEC 8
#define RLIMIT_NOFILE 7
#define PROT_READ_WRITE 3
#define MAP_PRIVATE_ANONYMOUS 0x22
#define EINVAL 22
#define EBADF 9

/* Above the descriptors that --preserve-fds hands on, below what would make the kernel grow the table. */
#define INIT_FD 40

struct params {
  char magic[8];
  int64_t entry;
  uint64_t init;
  uint64_t init_size;
  int64_t environ;
};
extern const struct params front_params __attribute__((visibility("hidden")));

/* Prefixes of variables that change what Bun, JavaScriptCore, mimalloc or Bun's node layer do. */
static const char hidden[] = "BUN_\0JSC_\0NODE_\0MIMALLOC_\0UV_\0WTF_\0WebKit\0JavaScriptCore\0Malloc\0SIMDUTF_\0GLIBCXX_\0"
                             "GOMAXPROCS\0";

/*
 * What Bun gets to see instead, and in every case: a process of milliseconds never earns back the millisecond that setting
 * up the JIT takes. But bun:ffi does not work without, and descriptors that the container keeps are opened up with it.
 */
static const char jit_off[] = "BUN_JSC_useJIT=0";
static const char jit_on[] = "BUN_JSC_useJIT=1";

static size_t length(const char *text)
{
  size_t n = 0;
  while (text[n] != 0)
    n++;
  return n;
}

static char upper(char c)
{
  return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Without regard to case: mimalloc reads its variables so. */
static int has_prefix(const char *text, const char *prefix)
{
  for (; *prefix != 0; text++, prefix++)
    if (upper(*text) != upper(*prefix))
      return 0;
  return 1;
}

static int is_hidden(const char *variable)
{
  for (const char *prefix = hidden; *prefix != 0; prefix += length(prefix) + 1)
    if (has_prefix(variable, prefix))
      return 1;
  return 0;
}

static int contains(const char *text, const char *part)
{
  for (; *text != 0; text++)
    if (has_prefix(text, part))
      return 1;
  return 0;
}

static const char *choose_setting(char **argv, char **env)
{
  for (; *argv != NULL; argv++)
    if (contains(*argv, "-preserve-fds") || has_prefix(*argv, "__systemd"))
      return jit_on;
  for (; *env != NULL; env++)
    if (has_prefix(*env, "LISTEN_FDS="))
      return jit_on;
  return jit_off;
}

/* In place the array may not become shorter, since auxv is found by its end: hidden variables become our setting. */
static size_t clean_environment(char **env, const char *setting)
{
  size_t count = 0;
  for (; env[count] != NULL; count++)
    if (is_hidden(env[count]))
      env[count] = (char *)setting;
  return count;
}

static void *allocate(size_t size)
{
  long page = call6(__NR_mmap, 0, (long)size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  return page < 0 && page > -4096 ? NULL : (void *)page;
}

/* A list with the caller's variables and our setting, once. libc's `environ`, set by ld.so, is the program's own word. */
static void replace_environment(char **env, size_t count, const char *setting)
{
  char **list = allocate((count + 2) * sizeof *list);
  if (list == NULL)
    return;
  char ***environ = (char ***)((char *)&front_params + front_params.environ);
  *environ = list;
  *list++ = (char *)setting;
  for (size_t i = 0; i < count; i++)
    if (env[i] != setting)
      *list++ = env[i];
  *list = NULL;
}

static void open_stdio(void)
{
  for (int fd = 0; fd <= 2; fd++)
    if (CALL2(__NR_fcntl, fd, F_GETFD) == -EBADF)
      CALL3(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR);
}

static void require_proc(void)
{
  static const char message[] = "tsrunc: /proc is not mounted\n";
  if (CALL3(__NR_faccessat, AT_FDCWD, "/proc/self/exe", 0) == 0)
    return;
  CALL3(__NR_write, 2, message, sizeof message - 1);
  CALL1(__NR_exit_group, 1);
}

/* Returns 1 when the current directory was lost and is now "/". */
static int mend_directory(void)
{
  char path[4096];
  long n = CALL2(__NR_getcwd, path, sizeof path);
  if (n > 0 && path[0] == '/')
    return 0;
  CALL1(__NR_chdir, "/");
  return 1;
}

static long write_init(long fd)
{
  const char *data = (const char *)&front_params + front_params.init;
  size_t left = front_params.init_size;
  while (left > 0) {
    long n = CALL3(__NR_write, fd, data, left);
    if (n <= 0)
      return n == 0 ? -EINVAL : n;
    data += n;
    left -= (size_t)n;
  }
  return 0;
}

static long init_in_memfd(void)
{
  long fd = CALL2(__NR_memfd_create, "tsrunc-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd == -EINVAL)
    fd = CALL2(__NR_memfd_create, "tsrunc-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    return fd;
  long error = write_init(fd);
  if (error == 0 && CALL3(__NR_fcntl, fd, F_ADD_SEALS, SEALS | SEAL_EXEC) < 0)
    error = CALL3(__NR_fcntl, fd, F_ADD_SEALS, SEALS);
  if (error == 0)
    return fd;
  CALL1(__NR_close, fd);
  return error;
}

/* Opens the unnamed file again for reading only: while it is open for writing it cannot be executed. */
static long reopen(long fd)
{
  char path[32] = "/proc/self/fd/";
  size_t end = length(path);
  char digits[8];
  size_t n = 0;
  for (long rest = fd; rest > 0 || n == 0; rest /= 10)
    digits[n++] = (char)('0' + rest % 10);
  while (n > 0)
    path[end++] = digits[--n];
  path[end] = 0;
  return CALL3(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static int is_noexec(long fd)
{
  long info[32]; /* struct statfs has 15 words; f_flags is the eleventh */
  return CALL2(__NR_fstatfs, fd, info) == 0 && (info[10] & ST_NOEXEC) != 0;
}

/* For vm.memfd_noexec=2, which refuses executable memfds: an unnamed file wherever one may be executed. */
static long init_in_tmpfile(void)
{
  static const char folders[] = "/run\0/dev/shm\0/tmp\0/var/tmp\0";
  for (const char *folder = folders; *folder != 0; folder += length(folder) + 1) {
    long file = CALL4(__NR_openat, AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0500);
    if (file < 0)
      continue;
    long fd = is_noexec(file) || write_init(file) != 0 ? -1 : reopen(file);
    CALL1(__NR_close, file);
    if (fd >= 0)
      return fd;
  }
  return -1;
}

static long place_init(void)
{
  long error = init_in_memfd();
  long fd = error >= 0 ? error : init_in_tmpfile();
  if (fd < 0)
    return error;
  long high = CALL3(__NR_fcntl, fd, F_DUPFD_CLOEXEC, INIT_FD);
  if (high < 0) /* RLIMIT_NOFILE is below INIT_FD */
    return fd;
  CALL1(__NR_close, fd);
  return high;
}

static char *put_text(char *to, const char *text)
{
  while (*text != 0)
    *to++ = *text++;
  return to;
}

static char *put_number(char *to, uint64_t number)
{
  char digits[20];
  size_t n = 0;
  do {
    digits[n++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (n > 0)
    *to++ = digits[--n];
  return to;
}

static char *put_signed(char *to, long number)
{
  if (number < 0)
    *to++ = '-';
  return put_number(to, number < 0 ? (uint64_t)-number : (uint64_t)number);
}

static uint64_t nanoseconds(const long *time)
{
  return (uint64_t)time[0] * 1000000000u + (uint64_t)time[1];
}

static void tell(char **argv, uint64_t start_ns, uint64_t wall_ns, uint64_t nofile, long init, int lost)
{
  size_t size = length(argv[0]) + 128;
  char *text = allocate(size);
  if (text == NULL)
    return;
  char *to = put_text(text, argv[0]);
  to = put_text(to, "\x1fnofile=");
  to = put_number(to, nofile);
  to = put_text(to, ";init=");
  to = put_signed(to, init);
  to = put_text(to, ";start=");
  to = put_number(to, start_ns);
  to = put_text(to, ";wall=");
  to = put_number(to, wall_ns);
  if (lost)
    to = put_text(to, ";cwd=deleted");
  *to = 0;
  argv[0] = text;
}

/* stack: argc, argv…, NULL, environment…, NULL, auxv, as the kernel made it. */
__attribute__((used, visibility("hidden"))) void front_main(long *stack);
void front_main(long *stack)
{
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **env = argv + argc + 1;
  /* For --timings: the engine's clock counts from its own start, and wall time is what both know. */
  long start[2] = {0, 0}, wall[2] = {0, 0};
  CALL2(__NR_clock_gettime, 0 /* CLOCK_REALTIME */, (long)wall);
  CALL2(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, (long)start);
  const char *setting = choose_setting(argv, env);
  replace_environment(env, clean_environment(env, setting), setting);
  open_stdio();
  require_proc();
  int lost = mend_directory();
  uint64_t nofile[2] = {0, 0};
  CALL4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, nofile);
  long init = place_init();
  if (argc > 0)
    tell(argv, nanoseconds(start), nanoseconds(wall), nofile[0], init, lost);
}
