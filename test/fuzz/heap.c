/*
 * The engine's allocator (native/engine/heap.c) against a model of it, with the sanitizers: what is allocated is filled to
 * its end and must hold what was written for as long as it lives. Behind every mapping lies a page that nobody may touch.
 *
 *   heap SEED ROUNDS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GUARD 4096ul

static size_t mapped;

static void *guarded_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
  char *at = mmap(address, size + GUARD, protection, flags & ~MAP_POPULATE, fd, offset);
  if (at == MAP_FAILED)
    return MAP_FAILED;
  if (mprotect(at + size, GUARD, PROT_NONE) < 0)
    abort();
  mapped += size;
  return at;
}

static int guarded_munmap(void *address, size_t size)
{
  if (munmap(address, size + GUARD) < 0)
    abort();
  mapped -= size;
  return 0;
}

static void *guarded_mremap(void *address, size_t before, size_t size, int flags)
{
  (void)flags;
  void *other = guarded_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (other == MAP_FAILED)
    return MAP_FAILED;
  memcpy(other, address, before < size ? before : size);
  guarded_munmap(address, before);
  return other;
}

#define mmap guarded_mmap
#define munmap guarded_munmap
#define mremap guarded_mremap
#include "../../native/engine/heap.c"
#undef mmap
#undef munmap
#undef mremap

#define SLOTS 300

struct slot {
  unsigned char *memory;
  size_t size;
  unsigned char fill;
};

static struct slot slots[SLOTS];
static uint64_t random_state;

static void require(int holds, const char *what, size_t size)
{
  if (holds)
    return;
  fprintf(stderr, "%s, with a block of %zu bytes\n", what, size);
  abort();
}

static uint32_t random32(void)
{
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33);
}

/* Where the allocator decides something, and up to 40 bytes to either side of it. */
static size_t some_size(void)
{
  static const size_t edges[] = {FINE, PAGE, CHUNK / 4, LARGE, CHUNK / 2, CHUNK, CHUNK + PAGE, 2 * CHUNK};
  switch (random32() % 8) {
  case 0:
    return edges[random32() % (sizeof edges / sizeof *edges)] + random32() % 81 - 40;
  case 1:
    return ((size_t)1 << (4 + random32() % 17)) + random32() % 33 - 16;
  case 2:
    return random32() % (3 * CHUNK);
  case 3:
    return random32() % PAGE;
  default:
    return random32() % 700;
  }
}

static void look(const struct slot *slot)
{
  for (size_t i = 0; i < slot->size; i++)
    require(slot->memory[i] == slot->fill, "the content has changed", slot->size);
}

/* The whole of what may be used is written, not only what was asked for. */
static void hold(struct slot *slot, void *memory, size_t asked)
{
  size_t usable = usable_size(memory);
  require((uintptr_t)memory % UNIT == 0, "the memory is not aligned", asked);
  require(usable >= asked, "the memory is too small", asked);
  *slot = (struct slot){memory, usable, (unsigned char)random32()};
  memset(memory, slot->fill, usable);
}

static void drop(struct slot *slot)
{
  look(slot);
  heap_free(NULL, slot->memory);
  *slot = (struct slot){NULL, 0, 0};
}

static void resize(struct slot *slot, size_t size)
{
  look(slot);
  unsigned char *memory = heap_realloc(NULL, slot->memory, size);
  require(memory != NULL, "no memory for another size", size);
  struct slot kept = {memory, size < slot->size ? size : slot->size, slot->fill};
  look(&kept);
  hold(slot, memory, size);
}

static void refuse_impossible(void)
{
  static const size_t impossible[] = {PTRDIFF_MAX, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - PAGE, SIZE_MAX / 2, SIZE_MAX / 4};
  size_t size = impossible[random32() % (sizeof impossible / sizeof *impossible)];
  struct slot *slot = &slots[random32() % SLOTS];
  require(heap_malloc(NULL, size) == NULL, "memory that there cannot be", size);
  if (slot->memory != NULL)
    require(heap_realloc(NULL, slot->memory, size) == NULL, "memory that there cannot be", size);
}

static void work(unsigned long rounds)
{
  for (unsigned long round = 0; round < rounds; round++) {
    struct slot *slot = &slots[random32() % SLOTS];
    size_t size = some_size();
    if (random32() % 500 == 0)
      refuse_impossible();
    else if (slot->memory == NULL) {
      void *memory = heap_malloc(NULL, size);
      require(memory != NULL, "no memory", size);
      hold(slot, memory, size);
    } else if (size > 0 && random32() % 2 == 0)
      resize(slot, size);
    else
      drop(slot);
  }
}

static void drop_all(void)
{
  for (int i = 0; i < SLOTS; i++)
    if (slots[i].memory != NULL)
      drop(&slots[i]);
}

/* The build's heap is one piece: when it is full, that is said, and nothing lies elsewhere. */
static void fill_up(void)
{
  size_t before = mapped, size = 3 * CHUNK;
  void *blocks[HEAP_LIMIT / CHUNK];
  size_t count = 0;
  while ((blocks[count] = heap_malloc(NULL, size)) != NULL)
    memset(blocks[count++], 1, size);
  require(count > 0 && mapped == before && HEAP->next <= HEAP->end, "the build's heap has grown", size);
  while (count > 0)
    heap_free(NULL, blocks[--count]);
}

int main(int argc, char **argv)
{
  if (argc != 3 || heap_create() < 0)
    return 2;
  random_state = strtoull(argv[1], NULL, 10);
  unsigned long rounds = strtoul(argv[2], NULL, 10);
  work(rounds / 10);
  size_t used = heap_used();
  require(used <= HEAP_LIMIT && HEAP->next <= HEAP->end, "the heap is larger than it may be", used);
  /* As a verb finds it: with the build's blocks in use, and no room behind them. */
  HEAP->end = (char *)HEAP_BASE + used;
  heap_is_being_made = 0;
  work(rounds);
  drop_all();
  size_t chunks = (mapped - HEAP_LIMIT) / CHUNK;
  require((mapped - HEAP_LIMIT) % CHUNK == 0 && chunks < 200, "mappings are left", mapped);
  heap_is_being_made = 1;
  HEAP->next = (char *)HEAP_BASE + used - HEAD;
  HEAP->end = (char *)HEAP_BASE + HEAP_LIMIT;
  fill_up();
  puts("done");
  return 0;
}
