/** linux.seccomp → the filter that seccomp(2) loads. */

import { type Problem, TsruncError } from "../errors.ts";
import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import { assembled, createAssembler, emitJump, emitLoad, emitReturn, ProgramTooLong } from "./assembler.ts";
import { DATA_ARCH, encodeInstructions, type Instruction, JEQ } from "./bpf.ts";
import {
  FLAG_NEW_LISTENER,
  FLAG_SPEC_ALLOW,
  FLAG_TSYNC,
  FLAG_TSYNC_ESRCH,
  FLAGS,
  MAX_INSTRUCTIONS,
  RET_ACTION_MASK,
  RET_ALLOW,
  RET_LOG,
  RET_TRACE,
} from "./constants.ts";
import { listenerProblems } from "./notify.ts";
import { type ArchRules, defaultReturn, resolveRules, tooLarge } from "./rules.ts";
import { BAD_ARCH, RETURN_ENOSYS, segmentsOf } from "./segments.ts";
import { isKnownSyscall } from "./syscalls.ts";
import { emitSearch } from "./tree.ts";
import { kernelProblems, type SeccompKernel, seccompProblems, usesNotify } from "./validate.ts";

/** Raised when the same profile compiles to other bytes; part of the key of any cache of filters. */
export const COMPILER_VERSION = 2;

export interface CompileOptions {
  /** The machine's own architecture: always in the filter, and what its byte order comes from. */
  readonly arch: SeccompArch;
  /** JSON pointer of `seccomp`, for messages. */
  readonly pointer?: string;
  /** Absent: a kernel that can do everything. */
  readonly kernel?: SeccompKernel;
  /** Calls that must not wait for the seccomp agent; see {@link listenerProblems}. */
  readonly neededCalls?: readonly string[];
}

export interface CompiledFilter {
  /** `struct sock_filter[]` in the byte order of the machine. */
  readonly instructions: Uint8Array;
  readonly length: number;
  /** For seccomp(SECCOMP_SET_MODE_FILTER). */
  readonly flags: number;
  /** seccomp(2) returns a listener: the profile uses SCMP_ACT_NOTIFY. */
  readonly listener: boolean;
  /** It was compiled before, and read. */
  readonly cached?: boolean;
  readonly arches: readonly SeccompArch[];
}

/** Throws `config` with every problem of the profile, `unsupported` for what the kernel lacks. */
export function compileSeccomp(seccomp: Seccomp, options: CompileOptions): CompiledFilter {
  const at = options.pointer ?? "/linux/seccomp";
  const problems = seccompProblems(seccomp, options.arch, at);
  if (problems.length > 0) throw refused("config", "invalid seccomp profile", problems);
  const deadlocks = listenerProblems(seccomp, options.neededCalls, at);
  if (deadlocks.length > 0) throw refused("config", "seccomp profile would deadlock", deadlocks);
  const lacking = kernelProblems(seccomp, options.kernel ?? {}, at);
  if (lacking.length > 0) throw refused("unsupported", "seccomp profile needs a newer kernel", lacking);
  const arches = resolveRules(seccomp, options.arch, at);
  const program = emitFilter(arches, defaultReturn(seccomp), at);
  return {
    instructions: encodeInstructions(program, archInfo(options.arch).bigEndian),
    length: program.length,
    flags: filterFlags(seccomp, options.kernel ?? {}),
    listener: usesNotify(seccomp),
    arches: arches.map(({ arch }) => arch),
  };
}

/** Names of a profile that no architecture has, for a warning: they are skipped, as by runc. */
export function unknownSyscalls(seccomp: Seccomp): readonly string[] {
  const names = new Set((seccomp.syscalls ?? []).flatMap((entry) => entry.names));
  return [...names].filter((name) => !isKnownSyscall(name));
}

/**
 * Whether calls newer than the profile get ENOSYS. Not where the default lets calls happen (a tracer is expected to
 * handle new ones), and it would change nothing where the default is ENOSYS itself.
 */
export function hasEnosysStub(fallback: number): boolean {
  const action = (fallback & RET_ACTION_MASK) >>> 0;
  return action !== RET_ALLOW && action !== RET_LOG && action !== RET_TRACE && fallback !== RETURN_ENOSYS;
}

/** Architectures of one AUDIT_ARCH_* together, in the order of the first of each. */
export function groupByAudit(arches: readonly ArchRules[]): readonly (readonly ArchRules[])[] {
  const groups = new Map<number, ArchRules[]>();
  for (const arch of arches) {
    const group = groups.get(arch.info.audit);
    if (group === undefined) groups.set(arch.info.audit, [arch]);
    else group.push(arch);
  }
  return [...groups.values()];
}

function emitFilter(arches: readonly ArchRules[], fallback: number, at: string): readonly Instruction[] {
  const asm = createAssembler(MAX_INSTRUCTIONS);
  try {
    let entry = emitReturn(asm, BAD_ARCH);
    // Backwards, so that the machine's own architecture, the first, is looked for first.
    for (const group of groupByAudit(arches).toReversed()) {
      const search = emitSearch(asm, segmentsOf(group, fallback, hasEnosysStub(fallback)), fallback);
      entry = emitJump(asm, JEQ, group[0]!.info.audit, search, entry);
    }
    emitLoad(asm, DATA_ARCH, entry);
  } catch (error) {
    throw error instanceof ProgramTooLong ? tooLarge("its filter does not fit", at) : error;
  }
  return assembled(asm);
}

function refused(code: "config" | "unsupported", message: string, problems: readonly Problem[]): TsruncError {
  return new TsruncError(code, message, { at: problems[0]!.at, problems });
}

/** Flags of the profile; without any (not even an empty list) SPEC_ALLOW, as runc. */
export function filterFlags(seccomp: Seccomp, kernel: SeccompKernel): number {
  let flags = 0;
  if (seccomp.flags === undefined) flags = FLAG_SPEC_ALLOW & (kernel.flags ?? FLAG_SPEC_ALLOW);
  for (const flag of seccomp.flags ?? []) flags |= FLAGS[flag].bit;
  if (usesNotify(seccomp)) {
    flags |= FLAG_NEW_LISTENER;
    // Both use the return value; since Linux 5.7 TSYNC can report its failure as ESRCH instead.
    if ((flags & FLAG_TSYNC) !== 0) flags |= FLAG_TSYNC_ESRCH;
  }
  return flags;
}
