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
/* Starts Bun in this process, with all that it needs to begin anew. */
_Noreturn void start_bun(void);
/* What of this process's limits is too small for it, for the user; NULL: nothing. */
const char *bun_lacks(void);
int host_define(JSContext *context);
/* The bytes of a typed array. */
int host_bytes(JSContext *context, JSValueConst value, uint8_t **data, size_t *size);
JSValue host_pack(JSContext *context, JSValueConst this, int argc, JSValueConst *argv);

JSValue host_has_other_case(JSContext *context, JSValueConst self, int argc, JSValueConst *argv); /* names.c */
#endif
