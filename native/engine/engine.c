/*
 * The standalone executable's own engine: QuickJS with the command line already loaded, see heap.h. It does the verbs that
 * count; what it cannot do is begun anew in Bun, in the same process (bun.c).
 *
 *     engine --snapshot SCRIPT OUT      loads the script and writes the heap; used by the build
 */
#include "engine.h"
#include "front.h"
#include "heap.h"
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define STACK_SIZE (1024ul * 1024)

/* QuickJS may fill STACK_SIZE; what is called last may take something more. */
#define STACK_ROOM (STACK_SIZE + 256ul * 1024)
/* The build's process has its stack here, below the heap, for the address of it is noted in the heap. */
#define BUILD_STACK 0x1f000000ul

extern const Elf64_Ehdr __ehdr_start;

/* auxv tells libc of Bun's program headers, or of none: it shall set up its own thread-local data, not Bun's. */
void engine_own_segments(long *stack);
void engine_own_segments(long *stack)
{
  long *at = stack + 1 + stack[0] + 1;
  while (*at++ != 0)
    continue;
  for (; at[0] != AT_NULL; at += 2) {
    if (at[0] == AT_PHDR)
      at[1] = (long)&__ehdr_start + (long)__ehdr_start.e_phoff;
    if (at[0] == AT_PHNUM)
      at[1] = __ehdr_start.e_phnum;
  }
}

long *engine_stack;

/* QuickJS makes the seed of Math.random of it, which stays in the heap: the same build shall give the same heap. */
int __real_gettimeofday(struct timeval *time, void *zone);
int __wrap_gettimeofday(struct timeval *time, void *zone);
int __wrap_gettimeofday(struct timeval *time, void *zone)
{
  if (!heap_is_being_made)
    return __real_gettimeofday(time, zone);
  *time = (struct timeval){0, 0};
  return 0;
}

_Noreturn static void fail(JSContext *context, const char *what)
{
  JSValue error = JS_GetException(context);
  const char *text = JS_ToCString(context, error);
  fprintf(stderr, "tsrunc: %s: %s\n", what, text == NULL ? "out of memory" : text);
  _exit(1);
}

/* Until no promise is left to go on. */
static void run_jobs(JSRuntime *runtime)
{
  JSContext *context;
  int more;
  while ((more = JS_ExecutePendingJob(runtime, &context)) > 0)
    continue;
  if (more < 0)
    fail(context, "internal error");
}

static char *read_script(const char *path, size_t *size)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) < 0)
    return NULL;
  char *text = malloc((size_t)stat.st_size + 1);
  if (text == NULL || read(fd, text, (size_t)stat.st_size) != stat.st_size)
    return NULL;
  text[stat.st_size] = 0;
  *size = (size_t)stat.st_size;
  close(fd);
  return text;
}

/* Goes on in `function`, which does not return, with another stack of `size` bytes; `place`: where, or 0. */
static void on_stack(unsigned long place, size_t size, void (*function)(void))
{
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (place == 0 ? 0 : MAP_FIXED_NOREPLACE);
  char *stack = mmap((void *)place, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (stack == MAP_FAILED) {
    perror("tsrunc: no memory for a stack");
    _exit(1);
  }
  engine_on_stack(stack + size, function);
}

static void load(const char *path)
{
  size_t size;
  char *script = read_script(path, &size);
  if (script == NULL || heap_create() < 0) {
    perror(path);
    _exit(1);
  }
  JSRuntime *runtime = JS_NewRuntime2(&heap_functions, NULL);
  JS_SetGCThreshold(runtime, (size_t)-1);
  JSContext *context = JS_NewContext(runtime);
  host_define(context);
  JSValue done = JS_Eval(context, script, size, "tsrunc", JS_EVAL_TYPE_MODULE);
  if (JS_IsException(done))
    fail(context, path);
  run_jobs(runtime);
  if (JS_PromiseState(context, done) != JS_PROMISE_FULFILLED) {
    JS_Throw(context, JS_PromiseResult(context, done));
    fail(context, path);
  }
  JS_FreeValue(context, done);
  JS_RunGC(runtime);
  HEAP->runtime = runtime;
  HEAP->context = context;
}

/* The size is fixed before the heap is written, and what a process allocates later lies elsewhere. */
static void snapshot(void)
{
  const char *out = this_process.argv[3];
  load(this_process.argv[2]);
  size_t size = heap_used();
  HEAP->end = (char *)HEAP_BASE + size;
  int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, (void *)HEAP_BASE, size) == (ssize_t)size && close(fd) == 0)
    _exit(0);
  perror(out);
  _exit(1);
}

static void start(void)
{
  JSContext *context = HEAP->context;
  JSRuntime *runtime = HEAP->runtime;
  JS_UpdateStackTop(runtime);
  JS_SetMaxStackSize(runtime, STACK_SIZE);
  JSValue global = JS_GetGlobalObject(context);
  JSValue function = JS_GetPropertyStr(context, global, "start");
  JSValue result = JS_Call(context, function, JS_UNDEFINED, 0, NULL);
  if (JS_IsException(result))
    fail(context, "internal error");
  run_jobs(runtime);
  fprintf(stderr, "tsrunc: internal error: nothing was left to be done\n");
  _exit(1);
}

/* The kernel counts arguments and environment as parts of the stack: up to a quarter of the limit. */
static int stack_is_small(void)
{
  struct rlimit limit;
  return getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < 2 * STACK_ROOM;
}

int main(int argc, char **argv, char **env)
{
  this_process = (struct process){argc, argv, env};
  if (bun.entry == 0 && argc >= 4 && strcmp(argv[1], "--snapshot") == 0)
    on_stack(BUILD_STACK, 8 * STACK_SIZE, snapshot);
  static char *none[] = {"tsrunc", NULL};
  if (argc == 0)
    argv = none;
  argv[0] = front_prepare(argv[0]);
  if (argv[0] == NULL)
    return 1;
  this_process = (struct process){argc, argv, env};
  /* Writing to a closed pipe is an error that TypeScript minds, not the end. tsrunc-init and Bun set their own signals. */
  signal(SIGPIPE, SIG_IGN);
  if (stack_is_small())
    on_stack(0, STACK_ROOM, start);
  start();
}
