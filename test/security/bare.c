/*
 * A program that makes no call but those that its arguments name, so that a seccomp profile may deny all the others:
 * `bare exit` and `bare exit_group` end with status 42, `bare pause` and `bare nanosleep` wait until they are killed.
 */
#include <sys/syscall.h>

static long call(long nr, long a, long b) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(0l), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = 0;
  register long x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error not written for this architecture
#endif
}

__attribute__((used)) static void begin(long *stack) {
  static const struct { long seconds, nanoseconds; } long_time = { 1000000, 0 };
  const char *how = stack[0] > 1 ? (const char *)stack[2] : "";
  for (;;) {
    if (how[0] == 'p') call(SYS_ppoll, 0, 0);
    else if (how[0] == 'n') call(SYS_nanosleep, (long)&long_time, 0);
    else if (how[4] == 0) call(SYS_exit, 42, 0);
    else call(SYS_exit_group, 42, 0);
  }
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#else
__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");
#endif
