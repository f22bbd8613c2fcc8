import { TsruncError } from "../errors.ts";
import type { CpuResources } from "../spec/types.ts";
import { cpuSharesToWeight } from "./convert.ts";
import { current, type LimitContext, put, refuseOnV2 } from "./limits.ts";

/** The cpu controller of cgroup v1. 0 is unset, except for `burst` and `idle`. */
export function cpuV1(context: LimitContext, cpu: CpuResources): void {
  if (cpu.idle === 0) put(context, "/cpu/idle", "cpu.idle", 0);
  if (cpu.shares) {
    checkShares(context, cpu.shares);
    put(context, "/cpu/shares", "cpu.shares", cpu.shares);
  }
  const burst = burstOrder(context, cpu, "cpu.cfs_burst_us");
  // Kernels before 5.14 have none, which is as good as 0.
  const putBurst = () => put(context, "/cpu/burst", "cpu.cfs_burst_us", cpu.burst ?? 0, cpu.burst ? [] : ["ENOENT"]);
  if (burst === "first") putBurst();
  periodAndRuntime(context, CFS, cpu.period, cpu.quota);
  if (burst === "last") putBurst();
  periodAndRuntime(context, REALTIME, cpu.realtimePeriod, cpu.realtimeRuntime);
  // The kernel refuses shares for an idle cgroup, so idle goes last when it is switched on.
  if (cpu.idle !== undefined && cpu.idle !== 0) put(context, "/cpu/idle", "cpu.idle", cpu.idle);
}

/** The cpu controller of cgroup v2. `held`: cpu.max as it stands, for `update`. */
export function cpuV2(context: LimitContext, cpu: CpuResources, held?: string): void {
  refuseOnV2(context, "/cpu/realtimeRuntime", Boolean(cpu.realtimeRuntime));
  refuseOnV2(context, "/cpu/realtimePeriod", Boolean(cpu.realtimePeriod));
  if (cpu.idle === 0) put(context, "/cpu/idle", "cpu.idle", 0);
  if (cpu.shares) put(context, "/cpu/shares", "cpu.weight", cpuSharesToWeight(cpu.shares));
  const burst = burstOrder(context, cpu, "cpu.max.burst");
  const putBurst = () => put(context, "/cpu/burst", "cpu.max.burst", cpu.burst ?? 0);
  if (burst === "first") putBurst();
  const limit = bandwidth(cpu, held);
  if (limit !== undefined) {
    put(context, cpu.quota ? "/cpu/quota" : "/cpu/period", "cpu.max", `${limit.quota} ${limit.period}`);
  }
  if (burst === "last") putBurst();
  if (cpu.idle !== undefined && cpu.idle !== 0) put(context, "/cpu/idle", "cpu.idle", cpu.idle);
}

/** What cpu.max of cgroup v2 holds, in microseconds. */
export interface Bandwidth {
  readonly quota: number | "max";
  readonly period: number;
}

/** The limit on processor time on cgroup v2: of quota and period what is not given is as it is held. */
export function bandwidth({ quota, period }: CpuResources, held?: string): Bandwidth | undefined {
  if (!quota && !period) return undefined;
  const [heldQuota = "max", heldPeriod = DEFAULT_PERIOD] = (held ?? "").split(" ").filter((word) => word !== "");
  const kept = heldQuota === "max" ? heldQuota : Number(heldQuota);
  return { quota: quota ? (quota > 0 ? quota : "max") : kept, period: period || Number(heldPeriod) };
}

/** Cpus and memory nodes, the same on v1 and v2. */
export function cpuset(context: LimitContext, { cpus, mems }: CpuResources): void {
  if (cpus) put(context, "/cpu/cpus", "cpuset.cpus", cpus);
  if (mems) put(context, "/cpu/mems", "cpuset.mems", mems);
}

/** Microseconds; Documentation/admin-guide/cgroup-v2.rst. */
const DEFAULT_PERIOD = "100000";

interface BandwidthFiles {
  readonly period: readonly [field: string, file: string];
  readonly runtime: readonly [field: string, file: string];
}

const CFS: BandwidthFiles = {
  period: ["/cpu/period", "cpu.cfs_period_us"],
  runtime: ["/cpu/quota", "cpu.cfs_quota_us"],
};
const REALTIME: BandwidthFiles = {
  period: ["/cpu/realtimePeriod", "cpu.rt_period_us"],
  runtime: ["/cpu/realtimeRuntime", "cpu.rt_runtime_us"],
};

/**
 * The kernel checks runtime/period of a cgroup against its parent at each write. Writing the runtime first
 * when the period shrinks, and last when it grows, keeps the ratio between the two at or below the new one.
 */
function periodAndRuntime(
  context: LimitContext,
  files: BandwidthFiles,
  period: number | undefined,
  runtime: number | undefined,
): void {
  if (files === REALTIME && (period || runtime))
    requireRealtime(context, period ? "realtimePeriod" : "realtimeRuntime");
  const putRuntime = () => runtime && put(context, files.runtime[0], files.runtime[1], runtime);
  const now = period && runtime ? current(context, files.period[0], files.period[1]) : undefined;
  const shrinks = period !== undefined && now !== undefined && period < Number(now);
  if (shrinks) putRuntime();
  if (period) put(context, files.period[0], files.period[1], period);
  if (!shrinks) putRuntime();
}

/** The burst may never exceed the quota: lower it before, raise it after. */
function burstOrder(context: LimitContext, { burst, quota }: CpuResources, file: string): "none" | "first" | "last" {
  if (burst === undefined) return "none";
  if (quota !== undefined && quota > 0 && burst > quota) {
    throw new TsruncError("config", `burst ${burst} is larger than quota ${quota}`, {
      at: `${context.base}/cpu/burst`,
    });
  }
  return burst < Number(current(context, "/cpu/burst", file) ?? 0) ? "first" : "last";
}

/** v1 clamps without a word; runc reads the value back and refuses. */
function checkShares(context: LimitContext, shares: number): void {
  if (shares >= 2 && shares <= 262144) return;
  const [word, bound] = shares < 2 ? ["minimum", 2] : ["maximum", 262144];
  throw new TsruncError("config", `the ${word} allowed cpu-shares is ${bound}`, { at: `${context.base}/cpu/shares` });
}

function requireRealtime(context: LimitContext, field: string): void {
  const at = `${context.base}/cpu/${field}`;
  context.directory("cpu", at);
  if (context.host.exists(`${context.mount("cpu")}/cpu.rt_runtime_us`)) return;
  throw new TsruncError("unsupported", "the kernel has no realtime group scheduling", {
    at,
    hint: "it needs CONFIG_RT_GROUP_SCHED; remove the limit",
  });
}
