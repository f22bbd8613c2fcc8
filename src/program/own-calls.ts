/**
 * The system calls that tsrunc-init makes in each op that may come between the load of a filter and execve. This is what
 * the compiler decides by in which order things are done (compile-process.ts); test/security/calls.test.ts measures it.
 */
import type { OwnCall } from "../seccomp/outcomes.ts";
import type { Op, OpName } from "./ops.ts";

/** include/uapi/linux/sched.h */
const CLONE_FILES = 0x400;
const CLONE_VFORK = 0x4000;
const CLONE_PARENT = 0x8000;
const CLONE_PARENT_SETTID = 0x100000;

/** What execve itself takes, from the load of the filter to the user's program. */
export const EXECVE: OwnCall = { names: ["execve"] };

/** By name, or the names that it has on different architectures. */
function calls(text: string): readonly OwnCall[] {
  return text.split(" ").map((names) => ({ names: names.split("|") }));
}

const CALLS: Partial<Record<OpName, readonly OwnCall[]>> = {
  dropCapabilities: calls("capset"),
  post: calls("sendmsg"),
  await: calls("recvmsg"),
  awaitStart: calls("rt_sigaction rt_sigprocmask close accept4 recvmsg write"),
  rlimit: calls("prlimit64"),
  setsid: calls("setsid"),
  controlTerminal: calls("ioctl"),
  prepareExec: calls("mmap getpid getcwd"),
  spawn: calls(
    "memfd_create write lseek pipe2 mmap getpid vfork|clone setsid umask prlimit64 rt_sigaction rt_sigprocmask " +
      "dup2|dup3 close_range close pidfd_open fcntl clock_gettime poll|ppoll read waitid wait4 kill execve exit_group",
  ),
  fork: [
    ...calls("close madvise sendmsg exit_group"),
    { names: ["clone"], cloneFlags: CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_VFORK },
    { names: ["clone"], cloneFlags: CLONE_PARENT | CLONE_PARENT_SETTID },
    { names: ["clone"], cloneFlags: CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_VFORK | CLONE_FILES },
  ],
  exec: [EXECVE],
};

/** undefined where an op is among them that nobody has listed. */
export function callsOf(ops: readonly Op[]): readonly OwnCall[] | undefined {
  const found: OwnCall[] = [];
  const seen = new Set<OpName>();
  for (const { op } of ops) {
    const listed = CALLS[op];
    if (listed === undefined) return undefined;
    if (!seen.has(op)) found.push(...listed);
    seen.add(op);
  }
  return found;
}
