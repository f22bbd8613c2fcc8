/** Which part of a profile decides about a system call. */

import { TsruncError } from "../errors.ts";
import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { hasEnosysStub } from "./compile.ts";
import { describeReturn, OPERATORS } from "./constants.ts";
import { type ArchRules, type Condition, defaultReturn, type Rule, resolveRules } from "./rules.ts";
import { backgroundOf, RETURN_ENOSYS } from "./segments.ts";
import { syscallName, syscallNumber } from "./syscalls.ts";

export interface ExplainOptions {
  /** The machine's own architecture. */
  readonly arch: SeccompArch;
  /** The architecture of the call; absent: `arch`. It must be one of the filter's. */
  readonly target?: SeccompArch;
  /** JSON pointer of the profile. */
  readonly pointer?: string;
}

export interface Explanation {
  readonly arch: SeccompArch;
  readonly nr: number;
  readonly name: string | undefined;
  /** What the filter returns, and as text. */
  readonly ret: number;
  readonly text: string;
  /** JSON pointer of what decides. */
  readonly at: string;
  readonly reason: string;
  /** Rules that were tried before and did not hold, with the condition that failed. */
  readonly failed: readonly { readonly at: string; readonly reason: string }[];
  /** Entries that name the call but can never decide about it. */
  readonly ignored: readonly string[];
}

/**
 * `call`: a name, or a number as the kernel sees it. Arguments that are not given are 0. The profile must have no
 * problem. Throws `usage` for a call or an architecture that is not known.
 */
export function explain(
  seccomp: Seccomp,
  call: string | number,
  args: readonly bigint[],
  options: ExplainOptions,
): Explanation {
  const at = options.pointer ?? "/linux/seccomp";
  const all = resolveRules(seccomp, options.arch, at);
  const owner = all.find(({ arch }) => arch === (options.target ?? options.arch));
  if (owner === undefined) throw new TsruncError("usage", `architecture \`${options.target}\` is not in the profile`);
  const nr = typeof call === "number" ? call : syscallNumber(owner.arch, call);
  if (nr === undefined) throw new TsruncError("usage", `\`${owner.arch}\` has no system call \`${call}\``);
  const name = syscallName(owner.arch, nr);
  const common = { arch: owner.arch, nr, name };
  const failed: { at: string; reason: string }[] = [];
  const group = all.filter(({ info }) => info.audit === owner.info.audit);
  const background = backgroundAt(group, seccomp, nr);
  const decision = background === RETURN_ENOSYS && nr === 0 ? undefined : owner.decisions.get(nr);
  const ignored = ignoredEntries(seccomp, name, decision?.rules ?? [], at);
  for (const rule of decision?.rules ?? []) {
    const wrong = rule.conditions.find((condition) => !holds(condition, args, owner));
    if (wrong === undefined) {
      const reason = rule.conditions.length === 0 ? "the entry names the call" : "all conditions of the entry hold";
      return { ...common, ret: rule.ret, text: describeReturn(rule.ret), at: rule.at, reason, failed, ignored };
    }
    failed.push({ at: rule.at, reason: `${describeCondition(wrong, owner)} does not hold` });
  }
  const ret = decision === undefined ? background : defaultReturn(seccomp);
  const reason = backgroundReason(owner, nr, ret, defaultReturn(seccomp));
  return { ...common, ret, text: describeReturn(ret), at: `${at}/defaultAction`, reason, failed, ignored };
}

function backgroundAt(group: readonly ArchRules[], seccomp: Seccomp, nr: number): number {
  const fallback = defaultReturn(seccomp);
  const ranges = backgroundOf(group, fallback, hasEnosysStub(fallback));
  return ranges.findLast(({ start }) => start <= nr)?.value ?? fallback;
}

function backgroundReason({ arch, largestCommon }: ArchRules, nr: number, ret: number, fallback: number): string {
  if (ret === fallback) return "no entry decides: the default action";
  if (ret !== RETURN_ENOSYS) return "the number is not one of an architecture of the filter";
  if (nr === 0) return "the kernel reports a call that it does not know as number 0";
  const newest = largestCommon === undefined ? undefined : syscallName(arch, largestCommon);
  return `the call is newer than all that the profile names (newest: \`${newest ?? largestCommon}\`)`;
}

function ignoredEntries(
  seccomp: Seccomp,
  name: string | undefined,
  used: readonly Rule[],
  at: string,
): readonly string[] {
  const pointers = (seccomp.syscalls ?? []).flatMap((entry, i) => {
    return name !== undefined && entry.names.includes(name) ? [`${at}/syscalls/${i}`] : [];
  });
  const deciding = new Set(used.map((rule) => rule.at));
  return pointers.filter((pointer) => !deciding.has(pointer));
}

function value({ hi, lo }: { readonly hi: number; readonly lo: number }, bits: 32 | 64): bigint {
  return bits === 64 ? (BigInt(hi) << 32n) | BigInt(lo) : BigInt(lo);
}

function holds(condition: Condition, args: readonly bigint[], { info }: ArchRules): boolean {
  const actual = BigInt.asUintN(info.bits, args[condition.arg] ?? 0n);
  const wanted = value(condition, info.bits);
  switch (condition.op) {
    case "eq":
      return actual === wanted;
    case "ne":
      return actual !== wanted;
    case "gt":
      return actual > wanted;
    case "ge":
      return actual >= wanted;
    case "lt":
      return actual < wanted;
    case "le":
      return actual <= wanted;
    case "masked":
      return (actual & value({ hi: condition.maskHi, lo: condition.maskLo }, info.bits)) === wanted;
  }
}

const SYMBOLS = {
  eq: OPERATORS.SCMP_CMP_EQ,
  ne: OPERATORS.SCMP_CMP_NE,
  gt: OPERATORS.SCMP_CMP_GT,
  ge: OPERATORS.SCMP_CMP_GE,
  lt: OPERATORS.SCMP_CMP_LT,
  le: OPERATORS.SCMP_CMP_LE,
} as const;

function describeCondition(condition: Condition, { info }: ArchRules): string {
  const wanted = `0x${value(condition, info.bits).toString(16)}`;
  if (condition.op !== "masked") return `args[${condition.arg}] ${SYMBOLS[condition.op]} ${wanted}`;
  const mask = value({ hi: condition.maskHi, lo: condition.maskLo }, info.bits);
  return `args[${condition.arg}] & 0x${mask.toString(16)} == ${wanted}`;
}
