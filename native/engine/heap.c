/* Blocks of fixed sizes, in lists by size; large ones are mappings of their own. One thread, nothing is given back. */
#include "heap.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define CHUNK (128ul * 1024)
/* Above this a block is a mapping of its own, but in the build's process. A power of two, for no class may straddle it. */
#define LARGE (64ul * 1024)
#define UNIT 16ul
/* Up to here sizes are multiples of UNIT, above there are four between a power of two and the next. */
#define FINE 512ul

/* The size stands before the memory; it includes itself. */
struct block {
  size_t size;
  struct block *next;
};
#define HEAD sizeof(size_t)
/* What stands before a block's head, so that the memory behind the head begins at a multiple of UNIT. */
#define PADDING (UNIT - HEAD)

int heap_is_being_made;

/* What the build has read of its machine, and freed, is not for the executable. */
static void wipe(void *memory, size_t size)
{
  if (heap_is_being_made)
    memset(memory, 0, size);
}

static size_t round_up(size_t value, size_t to)
{
  return (value + to - 1) & ~(to - 1);
}

/* The class and its size for a block of at least `size` bytes. */
static unsigned class_of(size_t size, size_t *whole)
{
  if (size <= FINE) {
    *whole = round_up(size, UNIT);
    return (unsigned)(*whole / UNIT) - 1;
  }
  unsigned shift = 63 - (unsigned)__builtin_clzl(size - 1);
  size_t step = 1ul << (shift - 2);
  *whole = round_up(size, step);
  return (unsigned)(FINE / UNIT) + (shift - 9) * 4 + (unsigned)((*whole - (1ul << shift)) / step) - 1;
}

static void *map(size_t size, int flags)
{
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* A new chunk, of which everything but the padding is free. The build's heap is one piece, and does not grow. */
static int grow(void)
{
  char *chunk = heap_is_being_made ? NULL : map(CHUNK, MAP_POPULATE);
  if (chunk == NULL)
    return -1;
  HEAP->next = chunk + PADDING;
  HEAP->end = chunk + CHUNK;
  return 0;
}

static int in_snapshot(const void *pointer)
{
  return (uintptr_t)pointer - HEAP_BASE < HEAP_LIMIT;
}

/*
 * What to map for a block of its own. The sizes go up in classes here too: pages that are not touched cost nothing, and
 * what grows bit by bit is moved a few times only.
 */
static size_t mapping_for(size_t size)
{
  size_t whole;
  class_of(size + PADDING, &whole);
  return round_up(whole, PAGE);
}

static struct block *block_in(char *mapping, size_t whole)
{
  struct block *block = (struct block *)(mapping + PADDING);
  block->size = whole - PADDING;
  return block;
}

static struct block *allocate_mapping(size_t size)
{
  size_t whole = mapping_for(size);
  char *mapping = map(whole, 0);
  return mapping == NULL ? NULL : block_in(mapping, whole);
}

static int is_mapping(const struct block *block)
{
  return block->size > LARGE && !in_snapshot(block);
}

static size_t room(void)
{
  return (size_t)(HEAP->end - HEAP->next);
}

static struct block *allocate(size_t size)
{
  if (size > LARGE && !heap_is_being_made)
    return allocate_mapping(size);
  size_t whole;
  struct block **list = &HEAP->lists[class_of(size, &whole)];
  struct block *block = *list;
  if (block != NULL) {
    *list = block->next;
    return block;
  }
  if (whole > room() && (grow() < 0 || whole > room()))
    return NULL;
  block = (struct block *)HEAP->next;
  HEAP->next += whole;
  block->size = whole;
  return block;
}

static struct block *block_of(const void *memory)
{
  return (struct block *)((char *)memory - HEAD);
}

static size_t usable_size(const void *memory)
{
  return memory == NULL ? 0 : block_of(memory)->size - HEAD;
}

/* Whether a block of this size may be had at all. */
static int is_allowed(size_t size)
{
  return size <= (heap_is_being_made ? HEAP_LIMIT : PTRDIFF_MAX / 2);
}

static void *heap_malloc(void *opaque, size_t size)
{
  (void)opaque;
  if (!is_allowed(size))
    return NULL;
  struct block *block = allocate(size < HEAD ? UNIT : size + HEAD);
  if (block == NULL)
    return NULL;
  return (char *)block + HEAD;
}

static void *heap_calloc(void *opaque, size_t count, size_t size)
{
  size_t whole;
  void *memory = __builtin_mul_overflow(count, size, &whole) ? NULL : heap_malloc(opaque, whole);
  return memory == NULL ? NULL : memset(memory, 0, whole);
}

static void heap_free(void *opaque, void *memory)
{
  (void)opaque;
  if (memory == NULL)
    return;
  struct block *block = block_of(memory);
  wipe(memory, block->size - HEAD);
  if (is_mapping(block)) {
    munmap((char *)block - PADDING, block->size + PADDING);
    return;
  }
  size_t whole;
  struct block **list = &HEAP->lists[class_of(block->size, &whole)];
  block->next = *list;
  *list = block;
}

/* Moves a mapping's pages to one of another size, which costs less than a copy. NULL: it stays as it is. */
static void *resize_mapping(struct block *block, size_t size)
{
  size_t before = block->size, whole = mapping_for(size + HEAD);
  char *mapping = mremap((char *)block - PADDING, before + PADDING, whole, MREMAP_MAYMOVE);
  if (mapping == MAP_FAILED)
    return NULL;
  return (char *)block_in(mapping, whole) + HEAD;
}

static void *heap_realloc(void *opaque, void *memory, size_t size)
{
  if (memory == NULL)
    return size == 0 ? NULL : heap_malloc(opaque, size);
  if (size == 0) {
    heap_free(opaque, memory);
    return NULL;
  }
  size_t now = usable_size(memory);
  if (size <= now && size * 2 >= now) {
    wipe((char *)memory + size, now - size);
    return memory;
  }
  if (size > LARGE && is_mapping(block_of(memory)))
    return is_allowed(size) ? resize_mapping(block_of(memory), size) : NULL;
  void *other = heap_malloc(opaque, size);
  if (other == NULL)
    return NULL;
  memcpy(other, memory, size < now ? size : now);
  heap_free(opaque, memory);
  return other;
}

const JSMallocFunctions heap_functions = {heap_calloc, heap_malloc, heap_free, heap_realloc, usable_size};

int heap_is_loaded(void)
{
  return memcmp(HEAP->magic, "TSRUNCJS", sizeof HEAP->magic) == 0;
}

int heap_create(void)
{
  /* In the room that the executable has for it: heap.S. */
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (mmap((void *)HEAP_BASE, HEAP_LIMIT, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
    return -1;
  heap_is_being_made = 1;
  memcpy(HEAP->magic, "TSRUNCJS", 8);
  HEAP->next = (char *)HEAP_BASE + round_up(sizeof(struct heap), UNIT) + PADDING;
  HEAP->end = (char *)HEAP_BASE + HEAP_LIMIT;
  return 0;
}

size_t heap_used(void)
{
  return round_up((size_t)(HEAP->next - (char *)HEAP_BASE), PAGE);
}
