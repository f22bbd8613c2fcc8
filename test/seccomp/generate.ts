/** Profiles made from a seed, and system calls that tell filters apart. */

import type { Seccomp, SeccompAction, SeccompArg, SeccompSyscall } from "../../src/spec/types.ts";

export type Random = (below: number) => number;

/** xorshift32: the same profiles on every machine. */
export function createRandom(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

const NAMES = (
  "read write open openat close clone personality socket connect accept accept4 sendto recv sendmsg semop shmat " +
  "msgctl semtimedop futex ioctl fcntl mmap prctl ptrace clock_gettime unshare mount bpf keyctl socketcall ipc " +
  "stat64 arm_fadvise64_64 cacheflush arch_prctl rseq openat2 clone3 io_uring_enter recvmmsg"
).split(" ");

const OPS: readonly SeccompArg["op"][] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

const DEFAULTS: readonly SeccompAction[] = [
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_TRACE",
];

const ACTIONS: readonly SeccompAction[] = [...DEFAULTS, "SCMP_ACT_KILL_THREAD", "SCMP_ACT_NOTIFY"];

/** Few values, so that rules meet; some need the high half, some only that, some all bits. */
// biome-ignore format: a table
const VALUES: readonly bigint[] = [
  0n, 1n, 2n, 5n, 7n, 8n, 0x20000n, 0x7e020000n, 0x7fffffffn, 0x80000000n, 0xffffffffn,
  0x100000000n, 0x100000001n, 0x100000005n, 0x8000000000000000n, 0xffffffff00000000n, 0xffffffffffffffffn,
];

function makeArg(random: Random, wide: boolean): SeccompArg {
  const values = wide ? VALUES : VALUES.filter((value) => value < 0x100000000n);
  const op = pick(random, OPS);
  const value = pick(random, values);
  const arg = { index: random(3), op, value };
  return op === "SCMP_CMP_MASKED_EQ" ? { ...arg, valueTwo: pick(random, values) } : arg;
}

function makeEntry(random: Random, action: SeccompAction, wide: boolean): SeccompSyscall {
  const names = Array.from({ length: 1 + random(3) }, () => pick(random, NAMES));
  const args = random(3) === 0 ? [] : Array.from({ length: 1 + random(3) }, () => makeArg(random, wide));
  const takesErrno = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
  return { names, action, args, ...(takesErrno && random(2) === 0 ? { errnoRet: random(60) } : {}) };
}

export interface Shape {
  /** All rules on arguments have one action, so that their order cannot matter. */
  readonly oneAction: boolean;
  /** Values above 32 bits. */
  readonly wide: boolean;
}

export function makeProfile(random: Random, { oneAction, wide }: Shape): Seccomp {
  const defaultAction = pick(random, DEFAULTS);
  const only = pick(random, ACTIONS);
  const syscalls = Array.from({ length: 1 + random(12) }, () => {
    const entry = makeEntry(random, pick(random, ACTIONS), wide);
    if (!oneAction || entry.args?.length === 0) return entry;
    const { errnoRet: _, ...rest } = entry;
    return { ...rest, action: only };
  });
  // libseccomp 2.5.4 forgets to load the number for an architecture whose first rule, by its priorities, is for a
  // call that the architecture does not have. An unconditional rule for a call that all have comes first.
  const first: SeccompSyscall = {
    names: ["uname"],
    action: defaultAction === "SCMP_ACT_ALLOW" ? "SCMP_ACT_TRAP" : "SCMP_ACT_ALLOW",
  };
  return { defaultAction, syscalls: [first, ...syscalls] };
}

/**
 * A profile with one list of `length` conditions. With more than six one argument is looked at twice at least, so that each
 * condition is a rule of its own. One operator alone: libseccomp loses rules where many are mixed.
 */
export function makeLongList(random: Random, length: number): Seccomp {
  const op = pick(random, OPS);
  const args = Array.from({ length }, () => ({ ...makeArg(random, true), op, valueTwo: pick(random, VALUES) }));
  return {
    defaultAction: pick(random, DEFAULTS.slice(1)),
    syscalls: [
      { names: ["uname"], action: "SCMP_ACT_ERRNO" },
      { names: ["socket", "ioctl"], action: "SCMP_ACT_ERRNO", args },
    ],
  };
}

const MASK = 0xffffffffffffffffn;

/** Argument lists around the values of the rules for one call: each value itself, its neighbours, other halves. */
export function boundaryArgs(conditions: readonly SeccompArg[], random: Random, extra: number): readonly bigint[][] {
  const perArg: bigint[][] = Array.from({ length: 6 }, () => [0n, 1n, MASK]);
  for (const { index, value, valueTwo } of conditions) {
    const base = BigInt(value);
    const points = [base, base - 1n, base + 1n, base ^ 0x100000000n, base & 0xffffffffn];
    if (valueTwo !== undefined)
      points.push(BigInt(valueTwo), BigInt(valueTwo) & base, ~base & MASK, BigInt(valueTwo) | ~base);
    perArg[index]!.push(...points.map((point) => point & MASK));
  }
  const lists: bigint[][] = [];
  for (const { index } of conditions) {
    for (const value of perArg[index]!) {
      const list = Array.from({ length: 6 }, () => 0n);
      list[index] = value;
      lists.push(list);
    }
  }
  for (let i = 0; i < extra; i++) lists.push(perArg.map((values) => pick(random, values)));
  return lists;
}
