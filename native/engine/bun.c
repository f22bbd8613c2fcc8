/*
 * Starts Bun, whose segments are in memory already, as the kernel would have done: maps ld.so, makes a stack with the command
 * line, the environment and an auxv that tells of Bun's segments, and jumps to ld.so.
 *
 * Bun has behaviours that a program started by engines, as root and in other people's directories cannot have. It
 * obeys BUN_OPTIONS (preload) and the like: those variables are taken out (/proc/self/environ keeps them). And its JIT
 * is switched off, mostly: a process of milliseconds never earns back the millisecond that setting it up takes.
 */
#include "engine.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* With less Bun ends in a crash report. Enough are 192 KiB, 383 MiB and 269 MiB (measured with Bun 1.4.5). */
static const struct {
  int resource;
  unsigned long kib;
  const char *text;
} needed[] = {
  {RLIMIT_STACK, 256, "this needs a stack of 256 KiB (ulimit -s)"},
  {RLIMIT_AS, 400 * 1024, "this needs an address space of 400 MiB (ulimit -v)"},
  {RLIMIT_DATA, 288 * 1024, "this needs room for 288 MiB of data (ulimit -d)"},
};

/* Filled in by the build. */
struct bun bun = {.magic = "TSRUNBUN"};

/* Prefixes of variables that change what Bun, JavaScriptCore, mimalloc or Bun's node layer do. */
static const char *const hidden[] = {"BUN_",   "JSC_",   "NODE_",           "MIMALLOC_", "UV_",      "WTF_",
                                     "WebKit", "Malloc", "JavaScriptCore", "SIMDUTF_",  "GLIBCXX_", "GOMAXPROCS"};
static char jit_off[] = "BUN_JSC_useJIT=0";

/* Without regard to case: mimalloc reads its variables so. */
static int is_hidden(const char *variable)
{
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (strncasecmp(variable, hidden[i], strlen(hidden[i])) == 0)
      return 1;
  return 0;
}

_Noreturn static void fail(const char *what)
{
  fprintf(stderr, "tsrunc: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static int protection(const Elf64_Phdr *segment)
{
  return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
         (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
  void *memory = mmap(at, size, protection, MAP_PRIVATE | flags, fd, offset);
  if (memory == MAP_FAILED)
    fail(bun.interpreter);
  return memory;
}

static void map_segment(char *base, const Elf64_Phdr *segment, int fd)
{
  unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
  unsigned long start = segment->p_vaddr & ~(page - 1), skip = segment->p_vaddr - start;
  unsigned long end = skip + segment->p_filesz, whole = skip + segment->p_memsz;
  unsigned long mapped = (end + page - 1) & ~(page - 1);
  map(base + start, end, protection(segment), MAP_FIXED, fd, (off_t)(segment->p_offset - skip));
  if (segment->p_memsz == segment->p_filesz)
    return;
  memset(base + start + end, 0, mapped - end);
  if (whole > mapped)
    map(base + start + mapped, whole - mapped, protection(segment), MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

/* Returns where ld.so begins, and its entry point. */
static char *map_interpreter(unsigned long *entry)
{
  Elf64_Ehdr header;
  Elf64_Phdr segments[MAX_SEGMENTS];
  int fd = open(bun.interpreter, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, &header, sizeof header) != sizeof header)
    fail(bun.interpreter);
  size_t size = header.e_phnum * sizeof *segments;
  errno = ENOEXEC;
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN || header.e_phnum > MAX_SEGMENTS ||
      pread(fd, segments, size, (off_t)header.e_phoff) != (ssize_t)size)
    fail(bun.interpreter);
  unsigned long end = 0;
  for (int i = 0; i < header.e_phnum; i++)
    if (segments[i].p_type == PT_LOAD)
      end = segments[i].p_vaddr + segments[i].p_memsz;
  char *base = map(NULL, end, PROT_NONE, MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < header.e_phnum; i++)
    if (segments[i].p_type == PT_LOAD)
      map_segment(base, &segments[i], fd);
  close(fd);
  *entry = (unsigned long)base + header.e_entry;
  return base;
}

static void tell(Elf64_auxv_t *auxv, unsigned long base)
{
  for (; auxv->a_type != AT_NULL; auxv++) {
    unsigned long *value = &auxv->a_un.a_val;
    switch (auxv->a_type) {
    case AT_PHDR:
      *value = (unsigned long)bun.segments;
      break;
    case AT_PHNUM:
      *value = bun.segment_count;
      break;
    case AT_BASE:
      *value = base;
      break;
    case AT_ENTRY:
      *value = bun.entry;
      break;
    }
  }
}

_Noreturn static void jump(long *stack, unsigned long entry)
{
#if defined(__x86_64__)
  __asm__ volatile("movq %0, %%rsp\n\txorl %%ebp, %%ebp\n\tjmp *%1" : : "r"(stack), "a"(entry), "d"(0l) : "memory");
#elif defined(__aarch64__)
  register unsigned long to __asm__("x16") = entry;
  register unsigned long at_exit __asm__("x0") = 0;
  __asm__ volatile("mov sp, %0\n\tmov x29, #0\n\tmov x30, #0\n\tbr %1" : : "r"(stack), "r"(to), "r"(at_exit) : "x29", "x30", "memory");
#else
#error "Bun has no executable for this architecture"
#endif
  __builtin_unreachable();
}

const char *bun_lacks(void)
{
  struct rlimit limit;
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    if (getrlimit(needed[i].resource, &limit) == 0 && limit.rlim_cur / 1024 < needed[i].kib)
      return needed[i].text;
  return NULL;
}

_Noreturn void start_bun(void)
{
  if (bun.entry == 0) {
    errno = ENOEXEC;
    fail("this part of tsrunc");
  }
  unsigned long entry;
  char *base = map_interpreter(&entry);
  char **argv = this_process.argv, **env = this_process.env;
  long setting = (long)jit_off;
  /*
   * Where the kernel's was, which may be megabytes, and above all that is in use. A word is read before its place is
   * written to: there are at most two more than before, and the stack begins four lower.
   */
  long *stack = engine_stack - 4, *to = stack + 1;
  while (*argv != NULL)
    *to++ = (long)*argv++;
  stack[0] = to - stack - 1;
  *to++ = 0;
  *to++ = setting;
  for (; *env != NULL; env++)
    if (!is_hidden(*env))
      *to++ = (long)*env;
  *to++ = 0;
  long *auxv = (long *)(env + 1);
  size_t words = 0;
  while (auxv[words] != AT_NULL)
    words += 2;
  memmove(to, auxv, (words + 2) * sizeof *to);
  tell((Elf64_auxv_t *)to, (unsigned long)base);
  jump(stack, entry);
}
