/*
 * Feeds damaged answers of a bus to native/ops_bus.c, and damaged messages of a program to what sends them. Built with the
 * sanitizers, which end it where something is read out of its bounds.
 *
 *   bus SECONDS SEED UNIT ANSWERS...
 */
#include <stdio.h>
#include <stdlib.h>
#include "../../native/ops_bus.c"

struct context ctx = { .program_fd = -1 };

int fail_errno(uint32_t step, int error, const char *detail) {
  ctx.failure.step = step;
  ctx.failure.error = error;
  volatile size_t len = detail ? strlen(detail) : 0; /* it has to end */
  return (void)len, -1;
}
int fail(uint32_t step, const char *detail) { return fail_errno(step, errno, detail); }
void *allocate(size_t size) { return malloc(size); }
int put_number(char *out, uint64_t n) { return sprintf(out, "%lu", (unsigned long)n); }
ssize_t read_file(int dir, const char *path, char *buf, size_t size) { return (void)dir, (void)path, (void)buf, (void)size, -1; }
void warn_or_report(uint32_t kind, const struct report *r) { (void)kind, (void)r; }
uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t state;

static uint32_t random32(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) ^ (uint32_t)(state >> 20);
}

static uint32_t below(uint32_t n) { return n ? random32() % n : 0; }

static const uint32_t interesting[] = { 0, 1, 4, 8, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff };

static void mutate_once(char *bytes, uint32_t size) {
  uint32_t number = interesting[below(sizeof interesting / sizeof *interesting)], at = below(size);
  switch (below(5)) {
    case 0: bytes[at] ^= (char)(1 << below(8)); break;
    case 1: bytes[at] = (char)random32(); break;
    case 2: if ((at &= ~3u) + 4 <= size) memcpy(bytes + at, &number, 4); break;
    case 3: if (at + 4 <= size) memcpy(bytes + at, &number, 4); break;
    case 4: {
      uint32_t from = below(size), n = below(64);
      if (from + n <= size && at + n <= size) memmove(bytes + at, bytes + from, n);
    }
  }
}

static char *read_bytes(const char *path, uint32_t *size) {
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

/* As attempt() does after it has sent. Whether the job is taken for done. */
static bool hear_out(const char *bytes, uint32_t size, const char *unit) {
  int pair[2];
  char error[DETAIL_SIZE];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) exit(2);
  for (uint32_t at = 0; at < size;) {
    ssize_t n = write(pair[1], bytes + at, size - at);
    if (n < 0) exit(2);
    at += (uint32_t)n;
  }
  close(pair[1]);
  struct bus b = { .fd = pair[0], .greetings = 2, .in = malloc(MESSAGE_MAX) };
  struct job job = { .unit = unit };
  shown = "a bus";
  enum outcome got = await_answer(&b, 3, after_ms(1000), &job, error);
  if (got == REFUSED && strlen(error) >= sizeof error) abort();
  if (got == DONE) got = await_job(&b, after_ms(1000), &job);
  hang_up(&b);
  free(b.in);
  return got == DONE;
}

/* The answers as messages of a program. */
static void send_out(const char *bytes, uint32_t size) {
  struct bus b = { .fd = -1, .out = malloc(size), .out_size = size };
  char *program = malloc(size + 1); /* off 0 stands for nothing */
  memcpy(program + 1, bytes, size);
  ctx.base = program;
  struct pstr messages = { 1, size };
  put_messages(&b, messages, (int64_t)below(size));
  for (unsigned n = 0; n < 4; n++) nth(messages, n);
  free(b.out);
  free(program);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  uint64_t until = now_ns() + (uint64_t)atoi(argv[1]) * 1000000000u;
  state = (uint64_t)atoi(argv[2]);
  unsigned long tried = 0, done = 0;
  while (now_ns() < until)
    for (int file = 4; file < argc; file++) {
      uint32_t whole;
      char *original = read_bytes(argv[file], &whole);
      if (!hear_out(original, whole, argv[3])) return printf("%s itself is refused\n", argv[file]), 1;
      for (int round = 0; round < 200; round++, tried++) {
        uint32_t size = below(8) ? whole : 1 + below(whole);
        char *bytes = malloc(size); /* exact: the first byte behind it is out of bounds */
        memcpy(bytes, original, size);
        for (uint32_t n = 1 + below(4); n > 0; n--) mutate_once(bytes, size);
        done += hear_out(bytes, size, argv[3]);
        send_out(bytes, size);
        free(bytes);
      }
      free(original);
    }
  printf("%lu tried, %lu done\n", tried, done);
  return 0;
}
