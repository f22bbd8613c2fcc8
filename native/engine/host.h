/* What TypeScript can ask of the machine: the functions of the global object `host` (src/sys/quickjs/host.ts). */
#ifndef TSRUNC_ENGINE_HOST_H
#define TSRUNC_ENGINE_HOST_H
#include <quickjs.h>

/* argv and environment of this process, for the functions that give them. */
struct process {
  int argc;
  char **argv;
  char **env;
};

extern struct process this_process;
int host_define(JSContext *context);
/* The bytes of a typed array. */
int host_bytes(JSContext *context, JSValueConst value, uint8_t **data, size_t *size);
JSValue host_pack(JSContext *context, JSValueConst this, int argc, JSValueConst *argv);

/* A NULL-terminated array of an array of texts; it is not released. */
char **host_strings(JSContext *context, JSValueConst list);

#define READ_SIZE 16384

/* What has been read. `first`, of READ_SIZE bytes, is enough for nearly every file. */
struct content {
  uint8_t *first;
  uint8_t *data;
  size_t length;
  size_t capacity;
};

/* Reads more: 1, at the end 0, or -errno. */
int content_read(JSContext *context, int fd, struct content *content);
void content_free(JSContext *context, struct content *content);

void constants_define(JSContext *context, JSValueConst host);                                     /* constants.c */
JSValue host_run(JSContext *context, JSValueConst self, int argc, JSValueConst *argv);            /* run.c */
JSValue host_has_other_case(JSContext *context, JSValueConst self, int argc, JSValueConst *argv); /* names.c */
#endif
