/** Call-by-call comparison of our filter with libseccomp's; the differences are numbered in differential.test.ts. */

import { archInfo } from "../../src/seccomp/arches.ts";
import { decodeInstructions } from "../../src/seccomp/bpf.ts";
import { compileSeccomp, hasEnosysStub } from "../../src/seccomp/compile.ts";
import { describeReturn, RET_ERRNO, returnValue, X32_BIT } from "../../src/seccomp/constants.ts";
import { dataWords, runFilter } from "../../src/seccomp/emulate.ts";
import { syscallNumber, syscallTable } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompArch } from "../../src/spec/types.ts";
import { boundaryArgs, type Random } from "./generate.ts";
import { type Exported, resolveNames } from "./libseccomp.ts";
import { oracleFor } from "./oracle.ts";

const ENOSYS = RET_ERRNO | 38;
export const NUMBERS = 601;
export const ARM_PRIVATE = 0xf0000;

export interface Count {
  checks: number;
  /** Verdicts of libseccomp that no matching rule has (4). */
  lost: number;
  /** Calls that rules with different actions match, and those where libseccomp prefers another one (5). */
  contested: number;
  otherOrder: number;
}

export type Stub = (arch: SeccompArch, nr: number) => boolean;

/** runc's rule: the largest number among the profile's names, as libseccomp resolves them, pseudo numbers not. */
export function runcStub(profile: Seccomp, arches: readonly SeccompArch[]): Stub {
  if (!hasEnosysStub(returnValue(profile.defaultAction, profile.defaultErrnoRet))) return () => false;
  const names = (profile.syscalls ?? []).flatMap((entry) => entry.names);
  const largest = new Map(arches.map((arch) => [arch, Math.max(0, ...names.map((name) => resolve(arch, name)))]));
  const own = arches.filter((arch) => largest.get(arch) !== 0);
  return (arch, nr) => {
    if (arch === "SCMP_ARCH_S390" || arch === "SCMP_ARCH_S390X") if (nr === 0) return true;
    if (archInfo(arch).audit !== archInfo("SCMP_ARCH_X86_64").audit)
      return own.includes(arch) && nr > largest.get(arch)!;
    const abi = (nr & X32_BIT) !== 0 ? "SCMP_ARCH_X32" : "SCMP_ARCH_X86_64";
    return own.includes(abi) && nr > largest.get(abi)!;
  };
}

const resolved = new Map<string, number>();

/** libseccomp's number, asked for once, together with those of the whole table. */
function resolve(arch: SeccompArch, name: string): number {
  if (!resolved.has(`${arch} ${name}`)) {
    const names = [name, ...syscallTable(arch).keys(), ...PSEUDO];
    resolveNames(arch, names).forEach((number, i) => {
      resolved.set(`${arch} ${names[i]}`, number);
    });
  }
  return resolved.get(`${arch} ${name}`)!;
}

/** Names in generated profiles that some architectures do not have. */
const PSEUDO = [
  "stat64",
  "arm_fadvise64_64",
  "cacheflush",
  "arch_prctl",
  "recv",
  "socketcall",
  "ipc",
  "open",
  "accept",
];

/** Numbers to try: 0-600 from the architecture's base, and where the ABIs of x86_64 meet. */
function numbersOf(arch: SeccompArch): readonly number[] {
  const { base, table } = archInfo(arch);
  const numbers = Array.from({ length: NUMBERS }, (_, i) => base + i);
  if (table === "arm") numbers.push(...Array.from({ length: 8 }, (_, i) => ARM_PRIVATE + i));
  if (table === "x86_64") {
    for (const edge of [X32_BIT, 0x80000000, 0xc0000000, 0x100000000]) numbers.push(edge - 2, edge - 1);
    numbers.push(0x80000000, 0x80000001, 0xc0000000, 0xc0000001);
  }
  return numbers;
}

export function compare(
  profile: Seccomp,
  arches: readonly SeccompArch[],
  theirs: Exported,
  stub: Stub,
  random: Random,
  count: Count,
): void {
  const native = arches[0]!;
  const { bigEndian } = archInfo(native);
  const ours = decodeInstructions(
    compileSeccomp({ ...profile, architectures: arches, listenerPath: "/agent" }, { arch: native }).instructions,
    bigEndian,
  );
  const other = theirs.status === 0 ? decodeInstructions(theirs.filter, bigEndian) : undefined;
  for (const arch of arches) {
    for (const nr of numbersOf(arch)) {
      const oracle = oracleFor(profile, arch, nr);
      const conditions = oracle.rules.flatMap(({ args }) => args);
      const isNew = isNewer(stub, profile, arch, nr);
      for (const args of conditions.length === 0 ? [[]] : boundaryArgs(conditions, random, 20)) {
        const words = dataWords({ arch: archInfo(arch).audit, nr, args }, bigEndian);
        const verdict = runFilter(ours, words).ret;
        const allowed = oracle.allowed(args);
        count.checks++;
        const isX32Edge = archInfo(arch).table === "x86_64" && nr >= X32_BIT;
        if (!isNew && !isX32Edge && !allowed.has(verdict)) fail(profile, arch, nr, args, verdict, allowed);
        if (other === undefined) continue;
        const expected = isNew ? ENOSYS : runFilter(other, words).ret;
        if (allowed.size > 1) count.contested++;
        if (verdict === expected) continue;
        if (isNew || isX32Edge) fail(profile, arch, nr, args, verdict, new Set([expected]));
        if (allowed.has(expected)) count.otherOrder++;
        else count.lost++;
      }
    }
  }
}

/** runc's stub, but for the differences 2 and 3. */
function isNewer(stub: Stub, profile: Seccomp, arch: SeccompArch, nr: number): boolean {
  const { table, multiplexed } = archInfo(arch);
  if (table !== "arm" && (!stub(arch, nr) || !multiplexed || nr === 0)) return stub(arch, nr);
  const numbers = (profile.syscalls ?? [])
    .flatMap((entry) => entry.names)
    .map((name) => syscallNumber(arch, name) ?? 0);
  if (table !== "arm") return nr > Math.max(...numbers);
  if (!hasEnosysStub(returnValue(profile.defaultAction, profile.defaultErrnoRet))) return false;
  const common = Math.max(...numbers.filter((number) => number < ARM_PRIVATE));
  return nr > common && (nr < ARM_PRIVATE || nr > Math.max(...numbers));
}

function fail(
  profile: Seccomp,
  arch: SeccompArch,
  nr: number,
  args: readonly bigint[],
  got: number,
  wanted: ReadonlySet<number>,
): never {
  const show = (_: string, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  throw new Error(
    `${arch} ${nr} (${args.map((arg) => `0x${arg.toString(16)}`)}): ${describeReturn(got)}, expected ` +
      `${[...wanted].map(describeReturn).join(" or ")} in ${profile.defaultAction} ${JSON.stringify(oracleFor(profile, arch, nr).rules, show)}`,
  );
}

export function newCount(): Count {
  return { checks: 0, lost: 0, contested: 0, otherOrder: 0 };
}

/** libseccomp 2.5.4 knows the calls up to Linux 5.17; a profile may know newer ones. */
export function onlyKnown(profile: Seccomp, arch: SeccompArch): Seccomp {
  const known = (profile.syscalls ?? []).map((entry) => {
    return {
      ...entry,
      names: entry.names.filter((name) => syscallNumber(arch, name) === undefined || resolve(arch, name) !== -1),
    };
  });
  return { ...profile, syscalls: known.filter(({ names }) => names.length > 0) };
}
