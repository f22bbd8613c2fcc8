/** Types of `linux.seccomp`. Names are libseccomp's. */
import type { Uint64 } from "./types.ts";

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

export type SeccompFlag =
  | "SECCOMP_FILTER_FLAG_TSYNC"
  | "SECCOMP_FILTER_FLAG_LOG"
  | "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
  | "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

export type SeccompArch =
  | "SCMP_ARCH_X86"
  | "SCMP_ARCH_X86_64"
  | "SCMP_ARCH_X32"
  | "SCMP_ARCH_ARM"
  | "SCMP_ARCH_AARCH64"
  | "SCMP_ARCH_MIPS"
  | "SCMP_ARCH_MIPS64"
  | "SCMP_ARCH_MIPS64N32"
  | "SCMP_ARCH_MIPSEL"
  | "SCMP_ARCH_MIPSEL64"
  | "SCMP_ARCH_MIPSEL64N32"
  | "SCMP_ARCH_PPC"
  | "SCMP_ARCH_PPC64"
  | "SCMP_ARCH_PPC64LE"
  | "SCMP_ARCH_S390"
  | "SCMP_ARCH_S390X"
  | "SCMP_ARCH_PARISC"
  | "SCMP_ARCH_PARISC64"
  | "SCMP_ARCH_RISCV64"
  | "SCMP_ARCH_LOONGARCH64"
  | "SCMP_ARCH_M68K"
  | "SCMP_ARCH_SH"
  | "SCMP_ARCH_SHEB";

/** A filter of system calls (config-linux.md, "Seccomp"). */
export interface Seccomp {
  readonly defaultAction: SeccompAction;
  /** For ERRNO and TRACE; absent: EPERM. */
  readonly defaultErrnoRet?: number;
  /** Absent: the machine's own. */
  readonly architectures?: readonly SeccompArch[];
  readonly flags?: readonly SeccompFlag[];
  /** UNIX stream socket that gets the notify descriptor (SCMP_ACT_NOTIFY). */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompSyscall[];
}

/** What to do with some system calls, if all `args` match; if several look at one argument, as runc, if any of them does. */
export interface SeccompSyscall {
  /** At least one. */
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

/** One comparison of a 64-bit system call argument. */
export interface SeccompArg {
  /** 0 … 5. */
  readonly index: number;
  /** With SCMP_CMP_MASKED_EQ the mask. */
  readonly value: Uint64;
  /** With SCMP_CMP_MASKED_EQ the value to compare with. */
  readonly valueTwo?: Uint64;
  readonly op: SeccompOperator;
}
