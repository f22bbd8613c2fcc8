/*
 * The executable: QuickJS with the command line already loaded, see heap.h.
 *
 *     engine --snapshot SCRIPT OUT      loads the script and writes the heap; used by the build
 */
#include "front.h"
#include "heap.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (1024ul * 1024)

/* QuickJS may fill STACK_SIZE; what is called last may take something more. */
#define STACK_ROOM (STACK_SIZE + 256ul * 1024)
/* What QuickJS puts into pages by size (JS_ARENA_MAX_SMALL_SIZE), without its head. */
#define LARGEST_SMALL 504
/* The build's process has its stack here, below the heap, for the address of it is noted in the heap. */
#define BUILD_STACK (HEAP_BASE - 8 * STACK_SIZE)

/* QuickJS keeps times in the heap, as a seed and as the origin of its clock: the same build shall give the same heap. */
int __real_gettimeofday(struct timeval *time, void *zone);
int __wrap_gettimeofday(struct timeval *time, void *zone);
int __wrap_gettimeofday(struct timeval *time, void *zone)
{
  if (!heap_is_being_made)
    return __real_gettimeofday(time, zone);
  *time = (struct timeval){0, 0};
  return 0;
}

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
  if (!heap_is_being_made)
    return __real_clock_gettime(clock, time);
  *time = (struct timespec){0, 0};
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

/* Goes on in `function`, which does not return, in a thread with a stack of its own; `place`: where, or NULL. */
_Noreturn static void on_stack(void *place, size_t size, void *(*function)(void *))
{
  pthread_attr_t attributes;
  pthread_t thread;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (place == NULL ? 0 : MAP_FIXED_NOREPLACE);
  void *stack = mmap(place, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  int error = stack == MAP_FAILED ? errno : pthread_attr_init(&attributes);
  if (error == 0)
    error = pthread_attr_setstack(&attributes, stack, size);
  if (error == 0)
    error = pthread_create(&thread, &attributes, function, NULL);
  if (error != 0) {
    fprintf(stderr, "tsrunc: no memory for a stack: %s\n", strerror(error));
    _exit(1);
  }
  pthread_join(thread, NULL);
  _exit(1);
}

/* An empty heap with a runtime in it; what it lacks of the machine is in `host`. */
static JSContext *new_context(void)
{
  if (heap_create() < 0) {
    perror("tsrunc: no memory for the heap");
    _exit(1);
  }
  JSRuntime *runtime = JS_NewRuntime2(&heap_functions, NULL);
  JS_SetGCThreshold(runtime, (size_t)-1);
  return JS_NewContext(runtime);
}

/* Compiles a module and writes it to a descriptor, without its text and line numbers. */
_Noreturn static void compile(const char *path, int out)
{
  size_t size;
  char *script = read_script(path, &size);
  if (script == NULL) {
    perror(path);
    _exit(1);
  }
  JSContext *context = new_context();
  JSValue module = JS_Eval(context, script, size, "tsrunc", JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(module))
    fail(context, path);
  int flags = JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG;
  uint8_t *code = JS_WriteObject(context, &size, module, flags);
  while (size > 0) {
    ssize_t n = write(out, code, size);
    if (n < 0)
      _exit(1);
    code += n;
    size -= (size_t)n;
  }
  _exit(0);
}

/* In a process of its own, so that nothing of what compiling takes is in the heap. */
static uint8_t *compiled(const char *path, size_t *size)
{
  int ends[2], status;
  size_t room = HEAP_LIMIT;
  uint8_t *code = malloc(room);
  if (code == NULL || pipe(ends) < 0)
    return NULL;
  pid_t pid = fork();
  if (pid == 0)
    compile(path, ends[1]);
  close(ends[1]);
  ssize_t n;
  for (*size = 0; (n = read(ends[0], code + *size, room - *size)) > 0;)
    *size += (size_t)n;
  close(ends[0]);
  return waitpid(pid, &status, 0) == pid && status == 0 && n == 0 ? code : NULL;
}

static void load(const char *path)
{
  size_t size;
  uint8_t *code = compiled(path, &size);
  if (code == NULL)
    _exit(1);
  JSContext *context = new_context();
  JSRuntime *runtime = JS_GetRuntime(context);
  host_define(context);
  JSValue module = JS_ReadObject(context, code, size, JS_READ_OBJ_BYTECODE);
  JSValue done = JS_IsException(module) ? module : JS_EvalFunction(context, module);
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

/*
 * What a verb allocates shall lie together in a new chunk, whose pages come at once: in the holes that the build has left all
 * over the heap each would cost a page fault. So the holes are filled, by size: QuickJS has lists of its own up to 512 bytes.
 */
static void fill_holes(JSContext *context)
{
  char *end = HEAP->next;
  memset(HEAP->lists, 0, sizeof HEAP->lists);
  for (size_t size = 8; size <= LARGEST_SMALL; size += 8) {
    char *filler;
    do
      filler = js_malloc(context, size);
    while (filler != NULL && filler < end);
    js_free(context, filler); /* and with it goes the page that it is in */
  }
  memset(HEAP->lists, 0, sizeof HEAP->lists);
  HEAP->next = end;
}

/* The size is fixed before the heap is written, and what a process allocates later lies elsewhere. */
_Noreturn static void *snapshot(void *unused)
{
  (void)unused;
  const char *out = this_process.argv[3];
  load(this_process.argv[2]);
  fill_holes(HEAP->context);
  size_t size = heap_used();
  HEAP->end = (char *)HEAP_BASE + size;
  int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, (void *)HEAP_BASE, size) == (ssize_t)size && close(fd) == 0)
    _exit(0);
  perror(out);
  _exit(1);
}

_Noreturn static void *start(void *unused)
{
  (void)unused;
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
  if (!heap_is_loaded()) {
    if (argc == 4 && strcmp(argv[1], "--snapshot") == 0)
      on_stack((void *)BUILD_STACK, 8 * STACK_SIZE, snapshot);
    fprintf(stderr, "tsrunc: there is nothing in this engine yet\n");
    return 1;
  }
  static char *none[] = {"tsrunc", NULL};
  if (argc == 0)
    argv = none;
  argv[0] = front_prepare(argv[0]);
  if (argv[0] == NULL)
    return 1;
  this_process = (struct process){argc, argv, env};
  /* Writing to a closed pipe is an error that TypeScript minds, not the end. tsrunc-init sets its own signals. */
  signal(SIGPIPE, SIG_IGN);
  if (stack_is_small())
    on_stack(NULL, STACK_ROOM, start);
  start(NULL);
}
