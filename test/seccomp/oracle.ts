/**
 * What a profile says about a call, read off it with 64-bit arithmetic and without src/seccomp/{rules,order,tree}.
 * Of several matching rules on arguments it does not say which one wins: it gives all.
 */

import { archInfo } from "../../src/seccomp/arches.ts";
import { returnValue } from "../../src/seccomp/constants.ts";
import { syscallTable } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompArch, SeccompArg } from "../../src/spec/types.ts";

const SOCKETCALL: readonly string[] = (
  "- socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt " +
  "getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
).split(" ");
const IPC: readonly string[] =
  "- semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl - - - - - - shmat shmdt shmget shmctl".split(
    " ",
  );

interface OracleRule {
  readonly args: readonly SeccompArg[];
  readonly ret: number;
}

export interface Oracle {
  readonly rules: readonly OracleRule[];
  /** Values that may be returned for the arguments. */
  readonly allowed: (args: readonly bigint[]) => ReadonlySet<number>;
}

const names = new Map<SeccompArch, ReadonlyMap<number, string>>();

function nameOf(arch: SeccompArch, nr: number): string | undefined {
  let table = names.get(arch);
  if (table === undefined) {
    table = new Map([...syscallTable(arch)].map(([name, number]) => [number + archInfo(arch).base, name]));
    names.set(arch, table);
  }
  return table.get(nr);
}

export function oracleFor(profile: Seccomp, arch: SeccompArch, nr: number): Oracle {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const { bits, multiplexed } = archInfo(arch);
  const name = nameOf(arch, nr);
  const carried = !multiplexed ? [] : name === "socketcall" ? SOCKETCALL : name === "ipc" ? IPC : [];
  const rules: OracleRule[] = [];
  for (const entry of profile.syscalls ?? []) {
    const ret = returnValue(entry.action, entry.errnoRet);
    if (ret === fallback) continue;
    const args = (entry.args ?? []).map((arg) => ({ ...arg, valueTwo: arg.valueTwo ?? 0 }));
    const isOnce = new Set(args.map(({ index }) => index)).size === args.length;
    for (const alternative of isOnce ? [args] : args.map((arg) => [arg])) {
      for (const one of entry.names) {
        if (one === name) rules.push({ args: alternative, ret });
        const call = carried.indexOf(one);
        if (call <= 0) continue;
        const first: SeccompArg = { index: 0, op: "SCMP_CMP_EQ", value: call };
        rules.push({ args: [first, ...alternative.filter(({ index }) => index !== 0)], ret });
      }
    }
  }
  const unconditional = rules.find(({ args }) => args.every((arg) => isEmptyMask(arg, bits)));
  const allowed = (values: readonly bigint[]) => {
    if (unconditional !== undefined) return new Set([unconditional.ret]);
    const matching = rules.filter(({ args }) => args.every((arg) => holds(arg, values, bits)));
    return new Set(matching.length === 0 ? [fallback] : matching.map(({ ret }) => ret));
  };
  return { rules: unconditional === undefined ? rules : [], allowed };
}

function isEmptyMask({ op, value }: SeccompArg, bits: number): boolean {
  return op === "SCMP_CMP_MASKED_EQ" && BigInt.asUintN(bits, BigInt(value)) === 0n;
}

function holds({ index, op, value, valueTwo }: SeccompArg, values: readonly bigint[], bits: number): boolean {
  const actual = BigInt.asUintN(bits, values[index] ?? 0n);
  const wanted = BigInt.asUintN(bits, BigInt(value));
  switch (op) {
    case "SCMP_CMP_NE":
      return actual !== wanted;
    case "SCMP_CMP_LT":
      return actual < wanted;
    case "SCMP_CMP_LE":
      return actual <= wanted;
    case "SCMP_CMP_EQ":
      return actual === wanted;
    case "SCMP_CMP_GE":
      return actual >= wanted;
    case "SCMP_CMP_GT":
      return actual > wanted;
    case "SCMP_CMP_MASKED_EQ":
      return (actual & wanted) === (BigInt(valueTwo ?? 0) & wanted);
  }
}
