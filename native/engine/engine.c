/*
 * The standalone executable's own engine: QuickJS with the command line already loaded, see heap.h. It does the verbs that
 * count; what it cannot do is begun anew in Bun, in the same process (bun.c).
 *
 *     engine --snapshot SCRIPT OUT …      loads the script and writes the heap; used by the build
 */
#include "engine.h"
#include "front.h"
#include "heap.h"
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACK_SIZE (1024ul * 1024)

/* libc must not take Bun's program headers, which auxv tells of, for its own: it would set up Bun's thread-local data. */
void engine_hide_segments(long *stack);
void engine_hide_segments(long *stack)
{
  long *at = stack + 1 + stack[0] + 1;
  while (*at++ != 0)
    continue;
  for (; at[0] != AT_NULL; at += 2)
    if (at[0] == AT_PHNUM)
      at[1] = 0;
}

long *engine_stack;

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
static int snapshot(const char *script, const char *out)
{
  load(script);
  size_t size = heap_used();
  HEAP->end = (char *)HEAP_BASE + size;
  int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, (void *)HEAP_BASE, size) == (ssize_t)size && close(fd) == 0)
    return 0;
  perror(out);
  return 1;
}

static int start(void)
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
  return 1;
}

int main(int argc, char **argv, char **env)
{
  this_process = (struct process){argc, argv, env};
  if (bun.entry == 0 && argc >= 4 && strcmp(argv[1], "--snapshot") == 0)
    return snapshot(argv[2], argv[3]);
  static char *none[] = {"tsrunc", NULL};
  if (argc == 0)
    argv = none;
  argv[0] = front_prepare(argv[0]);
  if (argv[0] == NULL)
    return 1;
  this_process = (struct process){argc, argv, env};
  return start();
}
