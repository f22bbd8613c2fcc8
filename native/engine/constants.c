/* What differs between architectures, or might, as the headers of the one that is compiled for have it. */
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Node's names, by which `src/seccomp/arches.ts` goes. */
#if defined(__x86_64__)
#define ARCH "x64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#elif defined(__arm__)
#define ARCH "arm"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH "riscv64"
#elif defined(__powerpc64__)
#define ARCH "ppc64"
#elif defined(__s390x__)
#define ARCH "s390x"
#elif defined(__loongarch64)
#define ARCH "loong64"
#else
#error "no name is known for this architecture"
#endif

struct constant {
  const char *name;
  long value;
};

static const struct constant calls[] = {
#define CALL(name) {#name, SYS_##name}
  CALL(openat),    CALL(close),     CALL(read),     CALL(pread64),  CALL(write),     CALL(statx),     CALL(statfs),
  CALL(unlinkat),  CALL(renameat2), CALL(mkdirat),  CALL(fchmod),   CALL(faccessat), CALL(readlinkat), CALL(getcwd),
  CALL(chdir),     CALL(getpid),    CALL(geteuid),  CALL(getegid),  CALL(getuid),    CALL(kill),      CALL(uname),
  CALL(nanosleep), CALL(fcntl),     CALL(flock),    CALL(prctl),    CALL(fchownat),  CALL(memfd_create), CALL(fchmodat),
  CALL(eventfd2),  CALL(ppoll),     CALL(inotify_init1), CALL(inotify_add_watch),
#undef CALL
};

static const struct constant files[] = {
#define FILE_CONSTANT(name) {#name, name}
  FILE_CONSTANT(O_RDONLY), FILE_CONSTANT(O_WRONLY), FILE_CONSTANT(O_RDWR),    FILE_CONSTANT(O_CREAT),
  FILE_CONSTANT(O_EXCL),   FILE_CONSTANT(O_TRUNC),  FILE_CONSTANT(O_APPEND),  FILE_CONSTANT(O_NONBLOCK),
  FILE_CONSTANT(O_NOFOLLOW), FILE_CONSTANT(O_DIRECTORY), FILE_CONSTANT(O_CLOEXEC), FILE_CONSTANT(O_PATH), FILE_CONSTANT(S_IFMT),
  FILE_CONSTANT(S_IFDIR),  FILE_CONSTANT(S_IFREG),  FILE_CONSTANT(S_IFLNK),
#undef FILE_CONSTANT
};

static const struct constant signals[] = {
#define SIGNAL(name) {#name, name}
  SIGNAL(SIGHUP),  SIGNAL(SIGINT),    SIGNAL(SIGQUIT), SIGNAL(SIGILL),  SIGNAL(SIGTRAP), SIGNAL(SIGABRT),
  SIGNAL(SIGBUS),  SIGNAL(SIGFPE),    SIGNAL(SIGKILL), SIGNAL(SIGUSR1), SIGNAL(SIGSEGV), SIGNAL(SIGUSR2),
  SIGNAL(SIGPIPE), SIGNAL(SIGALRM),   SIGNAL(SIGTERM), SIGNAL(SIGSTKFLT), SIGNAL(SIGCHLD), SIGNAL(SIGCONT),
  SIGNAL(SIGSTOP), SIGNAL(SIGTSTP),   SIGNAL(SIGTTIN), SIGNAL(SIGTTOU), SIGNAL(SIGURG),  SIGNAL(SIGXCPU),
  SIGNAL(SIGXFSZ), SIGNAL(SIGVTALRM), SIGNAL(SIGPROF), SIGNAL(SIGWINCH), SIGNAL(SIGIO),  SIGNAL(SIGPWR),
  SIGNAL(SIGSYS),
#undef SIGNAL
};

static void define(JSContext *context, JSValueConst host, const char *name, const struct constant *from, size_t count)
{
  JSValue numbers = JS_NewObject(context);
  for (size_t i = 0; i < count; i++)
    JS_SetPropertyStr(context, numbers, from[i].name, JS_NewInt64(context, from[i].value));
  JS_SetPropertyStr(context, host, name, numbers);
}

void constants_define(JSContext *context, JSValueConst host)
{
  define(context, host, "calls", calls, sizeof calls / sizeof *calls);
  define(context, host, "files", files, sizeof files / sizeof *files);
  define(context, host, "signals", signals, sizeof signals / sizeof *signals);
  JS_SetPropertyStr(context, host, "arch", JS_NewString(context, ARCH));
  JS_SetPropertyStr(context, host, "version", JS_NewString(context, JS_GetVersion()));
}
