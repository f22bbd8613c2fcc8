/*
 * Feeds mutated programs to the check of native/main.c and reads what it accepts as the handlers would. Built with
 * the sanitizers, which end it where a program is read out of its bounds.
 *
 *   decoder SECONDS SEED PROGRAM...
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What is allocated has its bounds watched, and goes with the program. */
static void *allocated[1 << 16];
static size_t allocations;
static void *watched(size_t size) {
  void *p = calloc(1, size);
  if (p && allocations < sizeof allocated / sizeof *allocated) allocated[allocations++] = p;
  return p ? p : MAP_FAILED;
}

#define main tsrunc_init_main
#include "../../native/main.c"
#undef main
#define mmap(address, size, ...) watched(size)
#include "../../native/util.c"
#undef mmap

/* Nothing is executed here. */
_Noreturn void serve(void) { abort(); }
int stop_child(void) { abort(); }
#define STUB(upper, lower) int do_##lower(const struct op_##lower *op) { (void)op; return 0; }
OPS_ALL(STUB)

static uint64_t state;

static uint32_t random32(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) ^ (uint32_t)(state >> 20);
}

static uint32_t below(uint32_t n) { return n ? random32() % n : 0; }

static const uint32_t interesting[] = { 0, 1, 2, 7, 8, 79, 80, 81, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffe, 0xffffffff };

static uint32_t odd_number(uint32_t size) {
  switch (below(5)) {
    case 0: return interesting[below(sizeof interesting / sizeof *interesting)];
    case 1: return size - below(32);
    case 2: return below(size + 1);
    case 3: return random32();
    default: return below(300);
  }
}

static void put(char *bytes, uint32_t size, uint32_t at, uint32_t value) {
  if (at + 4 <= size) memcpy(bytes + at, &value, 4);
}

/* Words of the ops are what matters most: offsets, lengths, counts and opcodes. */
static void mutate_once(char *bytes, uint32_t size) {
  if (!size) return;
  uint32_t data = size < 8192 ? size : 8192;
  switch (below(8)) {
    case 0: bytes[below(size)] ^= (char)(1 << below(8)); break;
    case 1: bytes[below(size)] = (char)random32(); break;
    case 2: put(bytes, size, below(data) & ~3u, odd_number(size)); break;
    case 3: put(bytes, size, 16 + 4 * below(6), odd_number(size)); break;                    /* the lists */
    case 4: put(bytes, size, 40 + 4 * below(2), odd_number(size)); break;                    /* the reporter */
    case 5: put(bytes, size, 80 + 8 * below(data / 8), odd_number(size)); break;             /* an offset, or a head */
    case 6: put(bytes, size, 84 + 8 * below(data / 8), odd_number(size)); break;             /* a length, or an index */
    case 7: {
      uint32_t from = below(size), to = below(size), n = below(64);
      if (from + n <= size && to + n <= size) memmove(bytes + to, bytes + from, n);
    }
  }
}

static void touch(struct pstr s, bool text) {
  const char *at = str(s);
  volatile char sum = 0;
  for (uint32_t i = 0; at && i <= s.len; i++) sum ^= at[i];
  size_t len;
  if (text && at && expand(s, &len)[len] != 0) abort();
}

static void use_operand(uint8_t kind, const char *word) {
  struct pstr s;
  struct pvec v;
  memcpy(&s, word, sizeof s);
  memcpy(&v, word, sizeof v);
  switch (kind) {
    case KIND_STR: case KIND_STR_OPT: case KIND_BYTES: case KIND_DBUS: touch(s, false); break;
    case KIND_TEXT: touch(s, true); break;
    case KIND_STRS: list_of(v, 1); break;
    case KIND_TEXTS: expand_list(v, 1); break;
    default: break;
  }
  for (uint32_t i = 0; (kind == KIND_STRS || kind == KIND_TEXTS) && i < v.count; i++) touch(vec(v)[i], false);
}

/* As run_list() goes through it. */
static unsigned use(void) {
  const struct program *p = (const struct program *)ctx.base;
  unsigned ops = 0;
  list_of(p->reporter, 1);
  for (int list = 0; list < LISTS; list++) {
    const char *at = ctx.base + p->lists[list].off;
    for (uint32_t i = 0; i < p->lists[list].count; i++, ops++) {
      const struct op_layout *layout = &op_layouts[((const struct op_head *)at)->opcode];
      for (unsigned k = 0; k < layout->operands; k++) use_operand(layout->kinds[k], at + 8 + 8 * k);
      at += layout->size;
    }
  }
  return ops;
}

static char *read_program(const char *path, uint32_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) exit(2);
  fseek(f, 0, SEEK_END);
  *size = (uint32_t)ftell(f);
  rewind(f);
  char *bytes = malloc(*size);
  if (!bytes || fread(bytes, 1, *size, f) != *size) exit(2);
  fclose(f);
  return bytes;
}

static bool judge(char *bytes, uint32_t size) {
  ctx.base = bytes;
  ctx.size = size;
  bool ok = program_ok();
  if (ok) use();
  while (allocations) free(allocated[--allocations]);
  return ok;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  uint64_t until = now_ns() + (uint64_t)atoi(argv[1]) * 1000000000u;
  state = (uint64_t)atoi(argv[2]);
  unsigned long tried = 0, accepted = 0;
  while (now_ns() < until)
    for (int file = 3; file < argc; file++) {
      uint32_t whole, size;
      char *original = read_program(argv[file], &whole);
      if (!judge(original, whole)) return printf("%s itself is refused\n", argv[file]), 1;
      for (int round = 0; round < 200; round++, tried++) {
        size = below(8) ? whole : below(whole + 1);
        char *bytes = malloc(size ? size : 1); /* exact: the first byte behind it is out of bounds */
        if (!bytes) return 2;
        memcpy(bytes, original, size);
        for (uint32_t n = 1 + below(6); n > 0; n--) mutate_once(bytes, size);
        /* Else the first comparison would end most of them. */
        if (below(16)) put(bytes, size, 0, PROGRAM_MAGIC), put(bytes, size, 4, OPS_HASH), put(bytes, size, 8, size);
        /* load() itself refuses what is shorter */
        if (size >= sizeof(struct program)) accepted += judge(bytes, size);
        free(bytes);
      }
      free(original);
    }
  printf("%lu tried, %lu accepted\n", tried, accepted);
  return 0;
}
