/*
 * What init has in its memory that a container is not to read. A process of the container may have CAP_SYS_PTRACE and see
 * init while it waits for `start`, while a startContainer hook runs, or because it entered a pid namespace that others are
 * in. So what init knows of the host is gone by then: the caller's environment from the first moment, and of the program
 * everything but what is still to be done.
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include "init.h"

/* Pages that lie in it as a whole are given back: to write to them would only make memory of the container's. */
static void wipe(char *from, char *to) {
  uintptr_t page = getauxval(AT_PAGESZ);
  if (from >= to || !page) return;
  char *first = (char *)(((uintptr_t)from + page - 1) & ~(page - 1)), *last = (char *)((uintptr_t)to & ~(page - 1));
  if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED) < 0) {
    memset(from, 0, (size_t)(to - from));
    return;
  }
  memset(from, 0, (size_t)(first - from));
  memset(last, 0, (size_t)(to - last));
}

/* The kernel lays the strings one after the other, the name of the executed file behind them (create_elf_tables). */
void forget_environment(void) {
  char **last = ctx.environment, *name = (char *)getauxval(AT_EXECFN);
  char *from = last && *last ? *last : name, *to = name ? name + strlen(name) : from;
  if (!from) return;
  while (last && *last) {
    char *end = *last + strlen(*last);
    if (end > to) to = end;
    last++;
  }
  wipe(from, to);
}

/*
 * What is left are sockets and pipes. execve too closes descriptors only after it has resolved the program and its
 * interpreter: until then a path of the container's may lead through /proc/self/fd/N (CVE-2024-21626).
 */
static void close_slots(int64_t but) {
  if (ctx.proc >= 0) close(ctx.proc);
  if (ctx.root >= 0) close(ctx.root);
  ctx.proc = ctx.root = -1;
  for (int i = 0; i < SLOTS; i++)
    if (i != but) set_slot(i, -1);
}

int do_forget(const struct op_forget *op) {
  close_slots(op->keep);
  if (ctx.tail) wipe(ctx.base + ctx.strings, ctx.base + ctx.tail);
  memset(&ctx.failure, 0, sizeof ctx.failure);
  return 0;
}
