/** What seccomp(2) and <linux/filter.h> call by number, and the libseccomp names that config.json uses for it. */

import type { SeccompAction, SeccompFlag, SeccompOperator } from "../spec/types.ts";

/** Return values of a filter (seccomp(2)); the low 16 bits are data. */
export const RET_KILL_PROCESS = 0x80000000;
export const RET_KILL_THREAD = 0x00000000;
export const RET_TRAP = 0x00030000;
export const RET_ERRNO = 0x00050000;
export const RET_USER_NOTIF = 0x7fc00000;
export const RET_TRACE = 0x7ff00000;
export const RET_LOG = 0x7ffc0000;
export const RET_ALLOW = 0x7fff0000;
export const RET_ACTION_MASK = 0xffff0000;
export const RET_DATA_MASK = 0x0000ffff;

/** Flags of seccomp(SECCOMP_SET_MODE_FILTER). */
export const FLAG_TSYNC = 1 << 0;
export const FLAG_LOG = 1 << 1;
export const FLAG_SPEC_ALLOW = 1 << 2;
export const FLAG_NEW_LISTENER = 1 << 3;
export const FLAG_TSYNC_ESRCH = 1 << 4;
export const FLAG_WAIT_KILLABLE_RECV = 1 << 5;

/** BPF_MAXINSNS (<linux/bpf_common.h>). */
export const MAX_INSTRUCTIONS = 4096;
/** MAX_ERRNO (<linux/err.h>): the kernel clips a larger errno to it. */
export const MAX_ERRNO = 4095;
export const EPERM = 1;
export const ENOSYS = 38;
/** `__X32_SYSCALL_BIT` (<asm/unistd.h> of x86). */
export const X32_BIT = 0x40000000;

export interface ActionInfo {
  readonly ret: number;
  /** Name in /proc/sys/kernel/seccomp/actions_avail. */
  readonly kernel: string;
  /** Largest `errnoRet`; absent where the action takes none. */
  readonly maxErrno?: number;
}

export const ACTIONS: Readonly<Record<SeccompAction, ActionInfo>> = {
  SCMP_ACT_KILL: { ret: RET_KILL_THREAD, kernel: "kill_thread" },
  SCMP_ACT_KILL_THREAD: { ret: RET_KILL_THREAD, kernel: "kill_thread" },
  SCMP_ACT_KILL_PROCESS: { ret: RET_KILL_PROCESS, kernel: "kill_process" },
  SCMP_ACT_TRAP: { ret: RET_TRAP, kernel: "trap" },
  SCMP_ACT_ERRNO: { ret: RET_ERRNO, kernel: "errno", maxErrno: MAX_ERRNO },
  SCMP_ACT_TRACE: { ret: RET_TRACE, kernel: "trace", maxErrno: RET_DATA_MASK },
  SCMP_ACT_ALLOW: { ret: RET_ALLOW, kernel: "allow" },
  SCMP_ACT_LOG: { ret: RET_LOG, kernel: "log" },
  SCMP_ACT_NOTIFY: { ret: RET_USER_NOTIF, kernel: "user_notif" },
};

export interface FlagInfo {
  readonly bit: number;
  /** First kernel that takes it: [major, minor]. */
  readonly since: readonly [number, number];
}

/** TSYNC stands in the specification though tsrunc-init, which loads the filter, has one thread. */
export const FLAGS: Readonly<Record<SeccompFlag, FlagInfo>> = {
  SECCOMP_FILTER_FLAG_TSYNC: { bit: FLAG_TSYNC, since: [3, 17] },
  SECCOMP_FILTER_FLAG_LOG: { bit: FLAG_LOG, since: [4, 14] },
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: { bit: FLAG_SPEC_ALLOW, since: [4, 17] },
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: { bit: FLAG_WAIT_KILLABLE_RECV, since: [5, 19] },
};

export const OPERATORS: Readonly<Record<SeccompOperator, string>> = {
  SCMP_CMP_NE: "!=",
  SCMP_CMP_LT: "<",
  SCMP_CMP_LE: "<=",
  SCMP_CMP_EQ: "==",
  SCMP_CMP_GE: ">=",
  SCMP_CMP_GT: ">",
  SCMP_CMP_MASKED_EQ: "&",
};

/** Names of the values that a filter returns, as the kernel documents them. */
const RET_NAMES = new Map([
  [RET_KILL_PROCESS, "KILL_PROCESS"],
  [RET_KILL_THREAD, "KILL_THREAD"],
  [RET_TRAP, "TRAP"],
  [RET_ERRNO, "ERRNO"],
  [RET_USER_NOTIF, "USER_NOTIF"],
  [RET_TRACE, "TRACE"],
  [RET_LOG, "LOG"],
  [RET_ALLOW, "ALLOW"],
]);

/** `ERRNO(38)`, `ALLOW` …; an unknown action kills the process (kernel/seccomp.c). */
export function describeReturn(ret: number): string {
  const action = (ret & RET_ACTION_MASK) >>> 0;
  const data = ret & RET_DATA_MASK;
  const name = RET_NAMES.get(action) ?? `UNKNOWN 0x${action.toString(16)}`;
  return action === RET_ERRNO || action === RET_TRACE || data !== 0 ? `${name}(${data})` : name;
}

/** The value a filter returns for an action of config.json; EPERM where `errnoRet` is absent. */
export function returnValue(action: SeccompAction, errnoRet: number | undefined): number {
  const { ret, maxErrno } = ACTIONS[action];
  return maxErrno === undefined ? ret : (ret | (errnoRet ?? EPERM)) >>> 0;
}
