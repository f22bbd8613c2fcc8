/* What the build puts into the executable's engine: scripts/inject-engine.mjs finds it by the magic. */
#ifndef TSRUNC_ENGINE_ENGINE_H
#define TSRUNC_ENGINE_ENGINE_H
#include <elf.h>
#include <stdint.h>

#define MAX_SEGMENTS 24
#define INTERPRETER_SIZE 64

/* Bun's own program headers, entry point and ld.so, as they were before the engine was put in front of them. */
struct bun {
  char magic[8];
  uint64_t entry;
  uint64_t segment_count;
  Elf64_Phdr segments[MAX_SEGMENTS];
  char interpreter[INTERPRETER_SIZE];
};

extern struct bun bun;
/* The stack as the kernel made it: argc, argv, NULL, environment, NULL, auxv. */
extern long *engine_stack;
/* Calls a function that does not return, with the stack that ends at `end`. */
_Noreturn void engine_on_stack(void *end, void (*function)(void));

#endif
