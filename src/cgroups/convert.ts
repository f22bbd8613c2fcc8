import { TsruncError } from "../errors.ts";
import type { Int64 } from "../spec/types.ts";

/**
 * cpu.shares of v1 (2 … 262144, default 1024) as cpu.weight of v2 (1 … 10000, default 100): the quadratic
 * function through both ends and the default, which all runtimes use since 2025. 0 means unset.
 */
export function cpuSharesToWeight(shares: number): number {
  if (shares === 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const log = Math.log2(shares);
  // The tolerance keeps exact results, such as 100 for 1024, from being rounded up by the last bit.
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34) - 1e-9);
}

/** blkio weight of v1 (10 … 1000) as io.weight of v2 (1 … 10000), linear. 0 means unset. */
export function blkioToIoWeight(weight: number): number {
  return weight === 0 ? 0 : Math.max(1, 1 + Math.trunc(((weight - 10) * 9999) / 990));
}

/**
 * memory.swap.max of v2, which counts swap alone, from `memory.swap`, which counts memory and swap together.
 * Undefined means "leave it". Throws where the difference has no meaning.
 */
export function swapMax(swap: Int64 | undefined, limit: Int64 | undefined, at: string): bigint | "max" | undefined {
  const total = BigInt(swap ?? 0);
  const memory = BigInt(limit ?? 0);
  if (total === 0n) return memory === -1n ? "max" : undefined;
  if (total === -1n) return "max";
  if (memory === -1n) return total;
  if (memory === 0n) throw new TsruncError("config", "unable to set swap limit without memory limit", { at });
  if (memory < 0n) throw new TsruncError("config", `invalid memory value: ${memory}`, { at });
  if (total < memory) throw new TsruncError("config", "memory+swap limit should be >= memory limit", { at });
  return total - memory;
}

/** A limit as v2 files take it: `max` for -1. */
export function orMax(value: Int64): string {
  return BigInt(value) === -1n ? "max" : `${value}`;
}

/** pids.max: runc's reading of `pids.limit`, where 0 becomes 1 and anything below is no limit. */
export function pidsMax(limit: number): string {
  if (limit > 0) return `${limit}`;
  return limit === 0 ? "1" : "max";
}
