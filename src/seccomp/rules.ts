/** linux.seccomp as decisions per architecture and system call number, with the precedence of libseccomp. */

import { TsruncError } from "../errors.ts";
import type { Seccomp, SeccompArch, SeccompArg, SeccompSyscall } from "../spec/types.ts";
import { type ArchInfo, archInfo } from "./arches.ts";
import { MAX_INSTRUCTIONS, returnValue } from "./constants.ts";
import { orderRules } from "./order.ts";
import { multiplexer, syscallTable } from "./syscalls.ts";

const TWO_32 = 0x100000000;

export type ConditionOp = "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "masked";

/** One unsigned comparison of argument `arg`, in halves; a 32-bit architecture looks at the low half only. */
export interface Condition {
  readonly arg: number;
  readonly op: ConditionOp;
  readonly hi: number;
  readonly lo: number;
  /** All ones but for "masked". */
  readonly maskHi: number;
  readonly maskLo: number;
}

/** All `conditions` hold: the filter returns `ret`. */
export interface Rule {
  readonly conditions: readonly Condition[];
  readonly ret: number;
  /** JSON pointer of the entry of `syscalls`. */
  readonly at: string;
}

/** What happens with one system call number: the first rule that holds, in order; if none, the default action. */
export interface Decision {
  readonly rules: readonly Rule[];
  /** The value, where it does not depend on the arguments: then there is one rule, without conditions. */
  readonly ret: number | undefined;
  readonly info: ArchInfo;
}

export interface ArchRules {
  readonly arch: SeccompArch;
  readonly info: ArchInfo;
  /** By number as the kernel reports it, in order. Numbers that are not here get the default action. */
  readonly decisions: ReadonlyMap<number, Decision>;
  /** Largest number that the profile names, even to give it the default action; undefined if it names none. */
  readonly largest: number | undefined;
  /** The same below {@link ARM_PRIVATE}, where the architecture's private calls lie far above the others. */
  readonly largestCommon: number | undefined;
}

/** `__ARM_NR_BASE` (<asm/unistd.h> of arm): cacheflush, set_tls …, far above the common calls. */
export const ARM_PRIVATE = 0x0f0000;

const OPS: Readonly<Record<SeccompArg["op"], ConditionOp>> = {
  SCMP_CMP_NE: "ne",
  SCMP_CMP_LT: "lt",
  SCMP_CMP_LE: "le",
  SCMP_CMP_EQ: "eq",
  SCMP_CMP_GE: "ge",
  SCMP_CMP_GT: "gt",
  SCMP_CMP_MASKED_EQ: "masked",
};

/** What an entry of the profile says, once for all its names and all architectures. */
interface Entry {
  readonly names: readonly string[];
  readonly ret: number;
  readonly at: string;
  /** Alternatives: one rule each. An entry without conditions has one empty alternative. */
  readonly alternatives: readonly (readonly Condition[])[];
  /** Its action is the default one. libseccomp refuses such a rule, runc skips it: it says nothing. */
  readonly silent: boolean;
  /** Whether an alternative holds with any arguments, by the bits of the architecture. */
  readonly unconditional: Readonly<Record<32 | 64, boolean>>;
}

/** An entry, as far as it is about one system call. */
interface Source {
  readonly entry: Entry;
  /** The call that socketcall(2) or ipc(2) carries out for it; absent: the entry names the call itself. */
  readonly call?: number | undefined;
}

/** A name of the profile that reaches socketcall(2) or ipc(2) on architectures that multiplex. */
interface Carried extends Source {
  readonly via: string;
}

/** The profile by name, in the order of its entries. */
interface Profile {
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
  readonly carried: readonly Carried[];
}

/** The value that a filter returns where no rule holds. */
export function defaultReturn(seccomp: Seccomp): number {
  return returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
}

/** The architectures that a filter for `native` lets in: its own first, the others in the profile's order, once. */
export function filterArches(seccomp: Seccomp, native: SeccompArch): readonly SeccompArch[] {
  return [...new Set([native, ...(seccomp.architectures ?? [])])];
}

/** `seccomp` must have no {@link seccompProblems}. `at` is its JSON pointer. */
export function resolveRules(seccomp: Seccomp, native: SeccompArch, at: string): readonly ArchRules[] {
  const fallback = defaultReturn(seccomp);
  const profile = readProfile(
    (seccomp.syscalls ?? []).map((entry, i) => readEntry(entry, fallback, `${at}/syscalls/${i}`)),
  );
  const total: Total = { rules: 0 };
  const resolved = filterArches(seccomp, native).map((arch) => resolveArch(arch, profile, total));
  if (total.rules > MAX_INSTRUCTIONS) throw tooLarge(`${total.rules} rules on arguments`, at);
  return resolved;
}

/**
 * How many rules on arguments there are so far. Each takes one instruction at least, so that from {@link MAX_INSTRUCTIONS} on
 * they are counted only: of a long list for many calls there would be more than memory takes.
 */
interface Total {
  rules: number;
}

export function tooLarge(what: string, at: string): TsruncError {
  return new TsruncError(
    "config",
    `seccomp profile is too large: ${what}, the kernel takes ${MAX_INSTRUCTIONS} instructions`,
    {
      at,
      hint: "list fewer architectures, or fewer conditions on arguments",
    },
  );
}

function readProfile(all: readonly Entry[]): Profile {
  const entries = new Map<string, Entry[]>();
  const carried: Carried[] = [];
  for (const entry of all) {
    for (const name of entry.names) {
      const known = entries.get(name);
      if (known === undefined) entries.set(name, [entry]);
      else if (known.at(-1) === entry)
        continue; // the name is there twice
      else known.push(entry);
      const mux = multiplexer(name);
      if (mux !== undefined) carried.push({ entry, ...mux });
    }
  }
  return { entries, carried };
}

function readEntry(entry: SeccompSyscall, fallback: number, at: string): Entry {
  const conditions = (entry.args ?? []).map(readCondition);
  const indexes = new Set(conditions.map((condition) => condition.arg));
  // As runc: if two conditions look at one argument, each condition is a rule of its own.
  const alternatives =
    indexes.size < conditions.length
      ? conditions.map((condition) => [condition])
      : [conditions.sort((a, b) => a.arg - b.arg)];
  const ret = returnValue(entry.action, entry.errnoRet ?? undefined);
  const isUnconditional = (bits: 32 | 64) => {
    return alternatives.some((all) => all.every((condition) => alwaysHolds(condition, bits)));
  };
  const unconditional = { 32: isUnconditional(32), 64: isUnconditional(64) };
  return { names: entry.names, ret, at, alternatives, silent: ret === fallback, unconditional };
}

function readCondition(arg: SeccompArg): Condition {
  const op = OPS[arg.op];
  const [hi, lo] = halves(arg.value);
  if (op !== "masked") return { arg: arg.index, op, hi, lo, maskHi: 0xffffffff, maskLo: 0xffffffff };
  const [hi2, lo2] = halves(arg.valueTwo ?? 0);
  // libseccomp compares the masked argument with the masked value, so bits outside the mask do not matter.
  return { arg: arg.index, op, hi: (hi2 & hi) >>> 0, lo: (lo2 & lo) >>> 0, maskHi: hi, maskLo: lo };
}

function halves(value: number | bigint): readonly [number, number] {
  if (typeof value === "bigint") return [Number(value >> 32n), Number(value & 0xffffffffn)];
  return [Math.floor(value / TWO_32), value % TWO_32];
}

function resolveArch(arch: SeccompArch, { entries, carried }: Profile, total: Total): ArchRules {
  const info = archInfo(arch);
  const decisions = new Map<number, Decision>();
  // Most names of a profile share one list: decide once for each.
  const decided = new Map<Entry, Decision>();
  let largest: number | undefined;
  let largestCommon: number | undefined;
  for (const [name, index] of syscallTable(arch)) {
    const own = entries.get(name);
    const isCarrier = info.multiplexed && (name === "socketcall" || name === "ipc");
    if (own === undefined && !isCarrier) continue;
    const number = index + info.base;
    const through = isCarrier ? carried.filter(({ via }) => via === name) : [];
    if (own !== undefined || through.length > 0) {
      largest = number;
      if (info.table !== "arm" || number < ARM_PRIVATE) largestCommon = number;
    }
    const sources = isCarrier ? through : own!.map((entry) => ({ entry }));
    const decision =
      !isCarrier && own!.length === 1 ? decideOnce(decided, own![0]!, info, total) : decide(sources, info, total);
    if (decision !== undefined) decisions.set(number, decision);
  }
  return { arch, info, decisions, largest, largestCommon };
}

function decideOnce(decided: Map<Entry, Decision>, entry: Entry, info: ArchInfo, total: Total): Decision | undefined {
  if (entry.silent) return undefined;
  let decision = decided.get(entry);
  if (decision === undefined) {
    decision = decide([{ entry }], info, total);
    if (decision !== undefined) decided.set(entry, decision);
  }
  return decision;
}

/** libseccomp lets the first unconditional rule beat all others; a condition with an empty mask is none. */
function decide(sources: readonly Source[], info: ArchInfo, total: Total): Decision | undefined {
  let count = 0;
  for (const { entry, call } of sources) {
    if (entry.silent) continue;
    count += entry.alternatives.length;
    if (call !== undefined || !entry.unconditional[info.bits]) continue;
    return { rules: [{ conditions: [], ret: entry.ret, at: entry.at }], ret: entry.ret, info };
  }
  total.rules += count;
  if (count === 0 || total.rules > MAX_INSTRUCTIONS) return undefined;
  const rules = sources.flatMap((source) => rulesOf(source, info));
  return { rules: orderRules(rules, info.bits), ret: undefined, info };
}

function alwaysHolds({ op, maskHi, maskLo }: Condition, bits: 32 | 64): boolean {
  return op === "masked" && maskLo === 0 && (bits === 32 || maskHi === 0);
}

/** socketcall(2) and ipc(2) have the call in argument 0; libseccomp keeps the conditions on the other arguments. */
function rulesOf({ entry, call }: Source, info: ArchInfo): readonly Rule[] {
  const { alternatives, ret, at, silent } = entry;
  if (silent) return [];
  return alternatives.map((alternative) => {
    const real = alternative.filter((condition) => !alwaysHolds(condition, info.bits));
    if (call === undefined) return { conditions: real, ret, at };
    const first: Condition = { arg: 0, op: "eq", hi: 0, lo: call, maskHi: 0xffffffff, maskLo: 0xffffffff };
    return { conditions: [first, ...real.filter(({ arg }) => arg !== 0)], ret, at };
  });
}
