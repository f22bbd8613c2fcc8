/* The few system calls the front makes, without libc: each returns what the kernel does, -errno on failure. */
#ifndef TSRUNC_FRONT_SYSCALLS_H
#define TSRUNC_FRONT_SYSCALLS_H
#include <asm/unistd.h>

static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "Bun has no executable for this architecture"
#endif
}

#define CALL4(nr, a, b, c, d) call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL3(nr, a, b, c) CALL4(nr, a, b, c, 0)
#define CALL2(nr, a, b) CALL4(nr, a, b, 0, 0)
#define CALL1(nr, a) CALL4(nr, a, 0, 0, 0)

#endif
