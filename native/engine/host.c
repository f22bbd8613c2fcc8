#include "front.h"
#include "host.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGS 6

struct process this_process;

/* A value as a word of a system call; what has been converted is released after the call. */
struct argument {
  long word;
  const char *text;
};

int host_bytes(JSContext *context, JSValueConst value, uint8_t **data, size_t *size)
{
  size_t offset, length, unit;
  JSValue buffer = JS_GetTypedArrayBuffer(context, value, &offset, &length, &unit);
  if (JS_IsException(buffer))
    return -1;
  *data = JS_GetArrayBuffer(context, size, buffer);
  JS_FreeValue(context, buffer);
  if (*data == NULL && *size != 0)
    return -1;
  *data += offset;
  *size = length;
  return 0;
}

static int to_argument(JSContext *context, JSValueConst value, struct argument *argument)
{
  size_t length;
  argument->text = NULL;
  if (JS_IsString(value)) {
    argument->text = text_encode(context, &length, value);
    argument->word = (long)argument->text;
    return argument->text == NULL ? -1 : 0;
  }
  if (JS_IsObject(value)) {
    uint8_t *data;
    size_t size;
    if (host_bytes(context, value, &data, &size) < 0)
      return -1;
    argument->word = (long)data;
    return 0;
  }
  int64_t number;
  if (JS_ToInt64(context, &number, value) < 0)
    return -1;
  argument->word = number;
  return 0;
}

/* syscall(number, …): numbers, strings and typed arrays. The result, or -errno. */
static JSValue host_syscall(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  int64_t number = 0;
  struct argument arguments[MAX_ARGS] = {{0, NULL}};
  int count = 0, failed = argc < 1 || argc > MAX_ARGS + 1 || JS_ToInt64(context, &number, argv[0]) < 0;
  for (; !failed && count < argc - 1; count++)
    failed = to_argument(context, argv[count + 1], &arguments[count]) < 0;
  long result = -1;
  if (!failed) {
    result = syscall(number, arguments[0].word, arguments[1].word, arguments[2].word, arguments[3].word,
                     arguments[4].word, arguments[5].word);
    if (result == -1)
      result = -errno;
  }
  for (int i = 0; i < count; i++)
    if (arguments[i].text != NULL)
      JS_FreeCString(context, arguments[i].text);
  return failed ? JS_EXCEPTION : JS_NewInt64(context, result);
}

int content_read(JSContext *context, int fd, struct content *content)
{
  ssize_t n;
  do
    n = read(fd, content->data + content->length, content->capacity - content->length);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return n == 0 ? 0 : -errno;
  content->length += (size_t)n;
  if (content->length < content->capacity)
    return 1;
  uint8_t *more = js_malloc(context, content->capacity * 2);
  if (more == NULL)
    return -ENOMEM;
  memcpy(more, content->data, content->length);
  content_free(context, content);
  content->data = more;
  content->capacity *= 2;
  return 1;
}

void content_free(JSContext *context, struct content *content)
{
  if (content->data != content->first)
    js_free(context, content->data);
}

/* readFile(path or descriptor, encoding): a string or an ArrayBuffer, or -errno. */
static JSValue host_read_file(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  struct argument source;
  int32_t encoding;
  if (argc != 2 || JS_ToInt32(context, &encoding, argv[1]) < 0 || to_argument(context, argv[0], &source) < 0)
    return JS_EXCEPTION;
  int fd = (int)source.word;
  if (source.text != NULL) {
    fd = open(source.text, O_RDONLY | O_CLOEXEC);
    int error = errno;
    JS_FreeCString(context, source.text);
    if (fd < 0)
      return JS_NewInt32(context, -error);
  }
  uint8_t first[READ_SIZE];
  struct content content = {first, first, 0, sizeof first};
  int error;
  while ((error = content_read(context, fd, &content)) > 0)
    continue;
  if (source.text != NULL)
    close(fd);
  JSValue value = error < 0 ? JS_NewInt32(context, error) : text_decode(context, content.data, content.length, encoding);
  content_free(context, &content);
  return value;
}

/* decode(bytes, start, end, encoding) */
static JSValue host_decode(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  uint8_t *data;
  size_t size;
  int64_t start, end;
  int32_t encoding;
  if (argc != 4 || host_bytes(context, argv[0], &data, &size) < 0 || JS_ToInt64(context, &start, argv[1]) < 0 ||
      JS_ToInt64(context, &end, argv[2]) < 0 || JS_ToInt32(context, &encoding, argv[3]) < 0)
    return JS_EXCEPTION;
  if (start < 0 || end < start || (size_t)end > size)
    return JS_ThrowRangeError(context, "bytes %lld to %lld of %zu", (long long)start, (long long)end, size);
  return text_decode(context, data + start, (size_t)(end - start), encoding);
}

/* byteLength(text): in UTF-8 */
static JSValue host_byte_length(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  size_t length;
  const char *text = argc == 1 ? text_encode(context, &length, argv[0]) : NULL;
  if (text == NULL)
    return JS_EXCEPTION;
  JS_FreeCString(context, text);
  return JS_NewInt64(context, (int64_t)length);
}

/* hasDigits(text, count): whether there are so many decimal digits in a row */
static JSValue host_has_digits(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  size_t length;
  int32_t count, row = 0;
  if (argc != 2 || JS_ToInt32(context, &count, argv[1]) < 0)
    return JS_EXCEPTION;
  const char *text = text_encode(context, &length, argv[0]);
  if (text == NULL)
    return JS_EXCEPTION;
  for (size_t i = 0; i < length && row < count; i++)
    row = text[i] >= '0' && text[i] <= '9' ? row + 1 : 0;
  JS_FreeCString(context, text);
  return JS_NewBool(context, row >= count);
}

/* mapping(bytes, room): the descriptor of a file in memory, open for both and across execve, or -errno */
static JSValue host_mapping(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  uint8_t *data;
  size_t size;
  int64_t room;
  if (argc != 2 || host_bytes(context, argv[0], &data, &size) < 0 || JS_ToInt64(context, &room, argv[1]) < 0)
    return JS_EXCEPTION;
  return JS_NewInt32(context, front_mapping(data, size, (size_t)room, O_RDWR));
}

/* encode(text, bytes, at): writes UTF-8, whole; returns its length, -1 where it does not fit */
static JSValue host_encode(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  uint8_t *data;
  size_t size, length;
  int64_t at;
  if (argc != 3 || host_bytes(context, argv[1], &data, &size) < 0 || JS_ToInt64(context, &at, argv[2]) < 0)
    return JS_EXCEPTION;
  const char *text = text_encode(context, &length, argv[0]);
  if (text == NULL)
    return JS_EXCEPTION;
  int fits = at >= 0 && (size_t)at <= size && length <= size - (size_t)at;
  if (fits)
    memcpy(data + at, text, length);
  JS_FreeCString(context, text);
  return JS_NewInt64(context, fits ? (int64_t)length : -1);
}

/* list(path): [name, d_type, name, d_type, …], or -errno */
static JSValue host_list(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  size_t length;
  const char *path = argc == 1 ? text_encode(context, &length, argv[0]) : NULL;
  if (path == NULL)
    return JS_EXCEPTION;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = errno;
  JS_FreeCString(context, path);
  if (fd < 0)
    return JS_NewInt32(context, -error);
  JSValue list = JS_NewArray(context);
  uint32_t count = 0;
  char buffer[READ_SIZE];
  long n;
  while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < n;) {
      struct dirent *entry = (struct dirent *)(buffer + at);
      at += entry->d_reclen;
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        continue;
      JS_SetPropertyUint32(context, list, count++, text_new(context, entry->d_name));
      JS_SetPropertyUint32(context, list, count++, JS_NewInt32(context, entry->d_type));
    }
  }
  error = errno;
  close(fd);
  if (n == 0)
    return list;
  JS_FreeValue(context, list);
  return JS_NewInt32(context, -error);
}

char **host_strings(JSContext *context, JSValueConst list)
{
  size_t size;
  JSValue length = JS_GetPropertyStr(context, list, "length");
  uint32_t count;
  if (JS_ToUint32(context, &count, length) < 0)
    return NULL;
  char **strings = js_mallocz(context, ((size_t)count + 1) * sizeof *strings);
  for (uint32_t i = 0; strings != NULL && i < count; i++) {
    JSValue value = JS_GetPropertyUint32(context, list, i);
    strings[i] = (char *)text_encode(context, &size, value);
    JS_FreeValue(context, value);
    if (strings[i] == NULL)
      return NULL;
  }
  return strings;
}

/*
 * execve(path, args, env): -errno, if it returns. Nothing is released then, since the process is about to end. Without env
 * the variables are this process's, byte for byte.
 */
static JSValue host_execve(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  size_t length;
  const char *path = argc >= 2 ? text_encode(context, &length, argv[0]) : NULL;
  char **args = path == NULL ? NULL : host_strings(context, argv[1]);
  char **env = args == NULL || argc == 2 ? this_process.env : host_strings(context, argv[2]);
  if (args == NULL || env == NULL)
    return JS_EXCEPTION;
  execve(path, args, env);
  return JS_NewInt32(context, -errno);
}

static JSValue strings_of(JSContext *context, char **strings)
{
  JSValue list = JS_NewArray(context);
  for (uint32_t i = 0; strings[i] != NULL; i++)
    JS_SetPropertyUint32(context, list, i, text_new(context, strings[i]));
  return list;
}

static JSValue host_argv(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this, (void)argc, (void)argv;
  return strings_of(context, this_process.argv);
}

static JSValue host_environ(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this, (void)argc, (void)argv;
  return strings_of(context, this_process.env);
}

/* clock(id): nanoseconds */
static JSValue host_clock(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  int32_t id;
  struct timespec time = {0, 0};
  if (argc != 1 || JS_ToInt32(context, &id, argv[0]) < 0)
    return JS_EXCEPTION;
  clock_gettime(id, &time);
  return JS_NewFloat64(context, (double)time.tv_sec * 1e9 + (double)time.tv_nsec);
}

static JSValue host_exit(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  int32_t status = 1;
  if (argc == 1)
    JS_ToInt32(context, &status, argv[0]);
  _exit(status);
}

/* copyInit(): a descriptor, or -errno */
static JSValue host_copy_init(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this, (void)argc, (void)argv;
  return JS_NewInt32(context, front_copy_init());
}

static const JSCFunctionListEntry functions[] = {
  JS_CFUNC_DEF("syscall", 7, host_syscall),     JS_CFUNC_DEF("readFile", 2, host_read_file),
  JS_CFUNC_DEF("decode", 4, host_decode),       JS_CFUNC_DEF("byteLength", 1, host_byte_length),
  JS_CFUNC_DEF("encode", 3, host_encode),       JS_CFUNC_DEF("list", 1, host_list),
  JS_CFUNC_DEF("execve", 3, host_execve),       JS_CFUNC_DEF("argv", 0, host_argv),
  JS_CFUNC_DEF("environ", 0, host_environ),     JS_CFUNC_DEF("clock", 1, host_clock),
  JS_CFUNC_DEF("exit", 1, host_exit),           JS_CFUNC_DEF("run", 2, host_run),
  JS_CFUNC_DEF("pack", 6, host_pack),           JS_CFUNC_DEF("hasDigits", 2, host_has_digits),
  JS_CFUNC_DEF("hasOtherCase", 2, host_has_other_case), JS_CFUNC_DEF("copyInit", 0, host_copy_init),
  JS_CFUNC_DEF("mapping", 2, host_mapping),
};

int host_define(JSContext *context)
{
  JSValue global = JS_GetGlobalObject(context);
  JSValue host = JS_NewObject(context);
  JS_SetPropertyFunctionList(context, host, functions, (int)(sizeof functions / sizeof *functions));
  constants_define(context, host);
  int result = JS_SetPropertyStr(context, global, "host", host);
  JS_FreeValue(context, global);
  return result;
}
