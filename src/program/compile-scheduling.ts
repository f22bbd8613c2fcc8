/** Scheduling, I/O priority, memory policy and personality of the process (config.md "Process", config-linux.md). */
import { TsruncError } from "../errors.ts";
import { parseList } from "../spec/lists.ts";
import type { Linux, Process, Uint64 } from "../spec/types.ts";
import type { Op } from "./ops.ts";

/** sched(7), include/uapi/linux/sched.h */
const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const SCHEDULER_FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
/** ioprio_set(2): class in the upper bits. */
const IO_CLASSES: Readonly<Record<string, number>> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };
/** What the op is called by which the reporter knows what may be the reason of a failure. */
export const DEADLINE = "deadline scheduler";
/** include/uapi/linux/mempolicy.h */
const MEMORY_MODES = [
  "MPOL_DEFAULT",
  "MPOL_PREFERRED",
  "MPOL_BIND",
  "MPOL_INTERLEAVE",
  "MPOL_LOCAL",
  "MPOL_PREFERRED_MANY",
  "MPOL_WEIGHTED_INTERLEAVE",
];
const MEMORY_FLAGS: Readonly<Record<string, number>> = {
  MPOL_F_STATIC_NODES: 1 << 15,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_NUMA_BALANCING: 1 << 13,
};
/** personality(2) */
const PERSONALITIES: Readonly<Record<string, number>> = { LINUX: 0x0000, LINUX32: 0x0008 };

/** As many as a kernel can be built for (CONFIG_NR_CPUS_RANGE_END). */
const MAX_CPUS = 8192;

/** Every CPU of the cgroup: what the caller itself was confined to is not for the container (as runc since 1.3). */
export function anyCpuOp(): Op {
  return { op: "affinity", mask: new Uint8Array(MAX_CPUS / 8).fill(0xff), what: "CPU affinity" };
}

export function schedulingOps(process: Process, at: string): Op[] {
  const ops: Op[] = [];
  const { scheduler, ioPriority } = process;
  if (scheduler !== undefined) {
    const number = (value: Uint64 | undefined) => value ?? 0;
    ops.push({
      op: "scheduler",
      policy: known(POLICIES, scheduler.policy, `${at}/scheduler/policy`),
      nice: scheduler.nice ?? 0,
      priority: scheduler.priority ?? 0,
      flags: sumOf(SCHEDULER_FLAGS, scheduler.flags, `${at}/scheduler/flags`),
      runtime: number(scheduler.runtime),
      deadline: number(scheduler.deadline),
      period: number(scheduler.period),
      utilMin: 0,
      utilMax: 0,
      at: `${at}/scheduler`,
      what: scheduler.policy === "SCHED_DEADLINE" ? DEADLINE : "scheduler",
    });
  }
  if (ioPriority !== undefined) {
    const value = (known(IO_CLASSES, ioPriority.class, `${at}/ioPriority/class`) << 13) | ioPriority.priority;
    ops.push({ op: "ioPriority", value, at: `${at}/ioPriority`, what: "ioPriority" });
  }
  return ops;
}

export function linuxProcessOps(linux: Linux | undefined): Op[] {
  const ops: Op[] = [];
  const { memoryPolicy, personality } = linux ?? {};
  if (memoryPolicy !== undefined) {
    const mode = MEMORY_MODES.indexOf(memoryPolicy.mode);
    const nodes = bitmap(parseList(memoryPolicy.nodes ?? ""));
    ops.push({
      op: "memoryPolicy",
      mode: mode | sumOf(MEMORY_FLAGS, memoryPolicy.flags, "/linux/memoryPolicy/flags"),
      nodes,
      // The kernel takes one bit less than it is told (mempolicy.c, get_nodes).
      bits: nodes.length === 0 ? 0 : nodes.length * 8 + 1,
      at: "/linux/memoryPolicy",
      what: "memoryPolicy",
    });
  }
  if (personality !== undefined) {
    const persona = known(PERSONALITIES, personality.domain, "/linux/personality/domain");
    ops.push({ op: "personality", persona, at: "/linux/personality", what: "personality" });
  }
  return ops;
}

/** CPUs or nodes, in ascending order, as the kernel's bit masks: whole longs, lowest first. */
export function bitmap(numbers: readonly number[]): Uint8Array {
  if (numbers.length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array((Math.floor(numbers.at(-1)! / 64) + 1) * 8);
  for (const n of numbers) bytes[n >> 3] = (bytes[n >> 3] ?? 0) | (1 << (n & 7));
  return bytes;
}

function known(table: Readonly<Record<string, number>>, name: string, at: string): number {
  const value = table[name];
  if (value === undefined) throw new TsruncError("config", `unknown value \`${name}\``, { at });
  return value;
}

function sumOf(table: Readonly<Record<string, number>>, names: readonly string[] | undefined, at: string): number {
  return (names ?? []).reduce((sum, name) => sum | known(table, name, at), 0);
}
