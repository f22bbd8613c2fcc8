/*
 * The command line in QuickJS under the sanitizers, with libc's memory in place of the loaded heap:
 *
 *     engine SCRIPT WORD...
 */
#include "front.h"
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* QuickJS's frames are some times larger with the sanitizers than they are without. */
#define STACK_SIZE (6ul * 1024 * 1024)

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0:allocator_may_return_null=1"; }

/* What front.c has in the executable; nothing is executed here. */
int front_copy_init(void) { return -1; }
int front_mapping(const void *data, size_t size, size_t room, int flags)
{
  (void)data, (void)size, (void)room, (void)flags;
  return -1;
}

_Noreturn static void fail(JSContext *context)
{
  JSValue error = JS_GetException(context);
  const char *text = JS_ToCString(context, error);
  fprintf(stderr, "engine: %s\n", text == NULL ? "out of memory" : text);
  _exit(2);
}

static void run_jobs(JSRuntime *runtime)
{
  JSContext *context;
  int more;
  while ((more = JS_ExecutePendingJob(runtime, &context)) > 0)
    continue;
  if (more < 0)
    fail(context);
}

static char *read_script(const char *path, size_t *size)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) < 0)
    exit(2);
  *size = (size_t)ftell(file);
  rewind(file);
  char *text = calloc(1, *size + 1);
  if (text == NULL || fread(text, 1, *size, file) != *size)
    exit(2);
  fclose(file);
  return text;
}

int main(int argc, char **argv, char **env)
{
  static char name[] = "tsrunc";
  size_t size;
  if (argc < 2)
    return 2;
  char *script = read_script(argv[1], &size);
  argv[1] = name;
  this_process = (struct process){argc - 1, argv + 1, env};
  JSRuntime *runtime = JS_NewRuntime();
  JS_SetMaxStackSize(runtime, STACK_SIZE);
  JSContext *context = JS_NewContext(runtime);
  host_define(context);
  JSValue done = JS_Eval(context, script, size, "tsrunc", JS_EVAL_TYPE_MODULE);
  if (JS_IsException(done))
    fail(context);
  run_jobs(runtime);
  JSValue function = JS_GetPropertyStr(context, JS_GetGlobalObject(context), "start");
  if (JS_IsException(JS_Call(context, function, JS_UNDEFINED, 0, NULL)))
    fail(context);
  run_jobs(runtime);
  return 3;
}
