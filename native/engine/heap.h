/*
 * QuickJS's memory, at an address that is the same in every process: what the build's process has loaded and set up is
 * written to a file as it is, and becomes a segment of the executable.
 */
#ifndef TSRUNC_ENGINE_HEAP_H
#define TSRUNC_ENGINE_HEAP_H
#include "place.h"

#include <quickjs.h>
#include <stddef.h>

/* The first thing in the heap. */
struct heap {
  char magic[8];
  /* Free blocks by class. */
  struct block *lists[128];
  char *next;
  char *end;
  JSRuntime *runtime;
  JSContext *context;
};

#define HEAP ((struct heap *)HEAP_BASE)

/* 1 in the build's process. */
extern int heap_is_being_made;
/* Whether the executable has a heap in it. */
int heap_is_loaded(void);
/* An empty heap, in the build's process. Returns -1 with errno. */
int heap_create(void);
/* What has to be written of it, in whole pages. */
size_t heap_used(void);
extern const JSMallocFunctions heap_functions;

#endif
