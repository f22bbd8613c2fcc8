/* Where the heap lies: read by C, by heap.S and, for the linker, by the build. Numbers without suffix, for the assembler. */
#ifndef TSRUNC_ENGINE_PLACE_H
#define TSRUNC_ENGINE_PLACE_H

/* Above the program, which the linker puts at the architecture's usual address, and below brk and mappings. */
#define HEAP_BASE 0x20000000
/* Of the heap as the build makes it; what a verb allocates beyond comes from elsewhere. */
#define HEAP_LIMIT 0x04000000

#endif
