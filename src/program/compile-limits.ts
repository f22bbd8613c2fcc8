/** process.rlimits (config.md, "POSIX process"): who sets which of them, and when. */
import type { Process, Uint64 } from "../spec/types.ts";
import type { HostFacts } from "./input.ts";
import { KEEP_HARD_LIMIT, type Op } from "./ops.ts";

/** asm-generic/resource.h */
const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

interface LimitsInput {
  readonly process: Process;
  /** JSON pointer of the process. */
  readonly at: string;
  readonly facts: HostFacts;
}

const ALL = (1n << 64n) - 1n;

function limitValue(value: Uint64): bigint {
  return BigInt.asUintN(64, BigInt(value)) & ALL;
}

export interface Limits {
  /** By the launcher: where hard limits are too low, which takes the host's CAP_SYS_RESOURCE. */
  readonly raise: readonly Op[];
  readonly early: readonly Op[];
  /** A small one would forbid a fork. */
  readonly processes: readonly Op[];
  /** A small one must not hit init itself (runc#5177). */
  readonly nofile: readonly Op[];
}

export function rlimitOps({ process, at, facts }: LimitsInput): Limits {
  const raise: Op[] = [];
  const set: { readonly type: string; readonly op: Op }[] = [];
  for (const [i, limit] of (process.rlimits ?? []).entries()) {
    const resource = RLIMITS[limit.type];
    if (resource === undefined) continue;
    const [soft, hard] = [limitValue(limit.soft), limitValue(limit.hard)];
    const place = { at: `${at}/rlimits/${i}`, what: limit.type } as const;
    raise.push({ op: "prlimit", resource, hard, ...place });
    set.push({ type: limit.type, op: { op: "rlimit", resource, soft, hard, ...place } });
  }
  const of = (type: string) => set.filter((limit) => limit.type === type).map(({ op }) => op);
  const rest = set.filter(({ type }) => type !== "RLIMIT_NOFILE" && type !== "RLIMIT_NPROC");
  const nofile = of("RLIMIT_NOFILE");
  if (nofile.length === 0 && facts.nofile !== undefined) {
    nofile.push({ op: "rlimit", resource: RLIMITS.RLIMIT_NOFILE ?? 7, soft: facts.nofile, hard: KEEP_HARD_LIMIT });
  }
  return { raise, early: rest.map(({ op }) => op), processes: of("RLIMIT_NPROC"), nofile };
}
