import { TsruncError } from "../errors.ts";
import type { Int64, MemoryResources } from "../spec/types.ts";
import { orMax, swapMax } from "./convert.ts";
import { current, type LimitContext, put, refuseOnV2 } from "./limits.ts";

/** The memory controller of cgroup v1 (Documentation/admin-guide/cgroup-v1/memory.rst). 0 is unset throughout, as in runc. */
export function memoryV1(context: LimitContext, memory: MemoryResources): void {
  const hierarchical = hierarchy(context, memory);
  if (hierarchical) put(context, "/memory/useHierarchy", "memory.use_hierarchy", 1);
  limitsV1(context, memory);
  if (isSet(memory.reservation)) {
    put(context, "/memory/reservation", "memory.soft_limit_in_bytes", memory.reservation);
  }
  kernelV1(context, memory);
  if (memory.disableOOMKiller === true) put(context, "/memory/disableOOMKiller", "memory.oom_control", 1);
  swappiness(context, memory.swappiness);
}

/** The memory controller of cgroup v2. `held`: what the cgroup has now, for `update`. */
export function memoryV2(context: LimitContext, memory: MemoryResources, held?: HeldMemory): void {
  refuseOnV2(context, "/memory/swappiness", memory.swappiness !== undefined && memory.swappiness >= 0);
  refuseOnV2(context, "/memory/disableOOMKiller", memory.disableOOMKiller === true);
  if (memory.useHierarchy === false) context.warnings.push("memory accounting is always hierarchical on cgroup v2");
  // -1, no limit, is what holds anyway.
  refuseOnV2(context, "/memory/kernel", isLimit(memory.kernel));
  refuseOnV2(context, "/memory/kernelTCP", isLimit(memory.kernelTCP));
  if (memory.checkBeforeUpdate === true) checkUsage(context, memory);
  const swap = swapValue(memory, held, `${context.base}/memory/swap`);
  // Without swap accounting the file is absent, and both "no swap" and "no limit" are true already.
  const optional = swap === "max" || swap === 0n;
  if (swap !== undefined) {
    const field = memory.swap === undefined ? "/memory/limit" : "/memory/swap";
    put(context, field, "memory.swap.max", swap, optional ? ["ENOENT"] : []);
  }
  if (isSet(memory.limit)) put(context, "/memory/limit", "memory.max", orMax(memory.limit));
  if (isSet(memory.reservation)) put(context, "/memory/reservation", "memory.low", orMax(memory.reservation));
}

/** memory.swap.max, undefined where it stays as it is. */
export function swapValue(
  memory: MemoryResources,
  held: HeldMemory | undefined,
  at: string,
): bigint | "max" | undefined {
  const swap = swapMax(...combined(memory, held), at);
  return swap === "max" && held?.swap === "max" ? undefined : swap;
}

/** memory.max and memory.swap.max as they stand. */
export interface HeldMemory {
  readonly limit: string | undefined;
  readonly swap: string | undefined;
}

export function isSet(value: Int64 | undefined): value is Int64 {
  return value !== undefined && BigInt(value) !== 0n;
}

function isLimit(value: Int64 | undefined): boolean {
  return isSet(value) && BigInt(value) > 0n;
}

/**
 * On v1 memory.limit_in_bytes must never be above memory.memsw.limit_in_bytes, so raising starts with the
 * latter and lowering with the former.
 */
function limitsV1(context: LimitContext, { limit, swap }: MemoryResources): void {
  const setLimit = () => isSet(limit) && put(context, "/memory/limit", "memory.limit_in_bytes", limit);
  const setSwap = (value: Int64, field = "/memory/swap") => put(context, field, "memory.memsw.limit_in_bytes", value);
  if (!isSet(swap)) {
    // Lifting the memory limit lifts that of memory and swap too, where the kernel counts swap.
    if (isSet(limit) && BigInt(limit) === -1n && current(context, "/memory/limit", "memory.memsw.limit_in_bytes")) {
      setSwap(-1, "/memory/limit");
    }
    setLimit();
    return;
  }
  requireSwapAccounting(context);
  const now = isSet(limit) ? current(context, "/memory/limit", "memory.limit_in_bytes") : undefined;
  if (BigInt(swap) === -1n || (now !== undefined && BigInt(now) < BigInt(swap))) {
    setSwap(swap);
    setLimit();
  } else {
    setLimit();
    setSwap(swap);
  }
}

function requireSwapAccounting(context: LimitContext): void {
  const at = `${context.base}/memory/swap`;
  context.directory("memory", at);
  if (context.host.exists(`${context.mount("memory")}/memory.memsw.limit_in_bytes`)) return;
  throw new TsruncError("unsupported", "the kernel does not account swap for cgroups", {
    at,
    hint: "boot with swapaccount=1, or remove the limit",
  });
}

/** Whether memory.use_hierarchy is to be written. Linux 5.11 made it constant: 1. */
function hierarchy(context: LimitContext, { useHierarchy }: MemoryResources): boolean {
  if (useHierarchy === undefined) return false;
  context.directory("memory", `${context.base}/memory/useHierarchy`);
  const on = context.host.read(`${context.mount("memory")}/memory.use_hierarchy`)?.trim() === "1";
  if (!useHierarchy && on) context.warnings.push("memory accounting is always hierarchical on this kernel");
  return useHierarchy && !on;
}

function kernelV1(context: LimitContext, { kernel, kernelTCP }: MemoryResources): void {
  for (const [field, file, value] of [
    ["/memory/kernel", "memory.kmem.limit_in_bytes", kernel],
    ["/memory/kernelTCP", "memory.kmem.tcp.limit_in_bytes", kernelTCP],
  ] as const) {
    if (!isSet(value)) continue;
    context.directory("memory", context.base + field);
    if (context.host.exists(`${context.mount("memory")}/${file}`)) put(context, field, file, value);
    else if (isLimit(value)) throw noKernelLimit(context.base + field);
  }
}

function noKernelLimit(at: string): TsruncError {
  return new TsruncError("unsupported", "the kernel cannot limit kernel memory by itself", {
    at,
    hint: "`limit` counts it too; remove this one",
  });
}

function swappiness(context: LimitContext, value: number | undefined): void {
  // -1 is what older engines send for "leave it".
  if (value === undefined || value === -1) return;
  if (value < 0 || value > 100) {
    throw new TsruncError("config", `invalid memory swappiness value: ${value} (valid range is 0-100)`, {
      at: `${context.base}/memory/swappiness`,
    });
  }
  put(context, "/memory/swappiness", "memory.swappiness", value);
}

/** Swap and limit for {@link swapMax}: in an update, what is not given keeps its value, and so the sum its meaning. */
function combined(memory: MemoryResources, held: HeldMemory | undefined): [Int64 | undefined, Int64 | undefined] {
  if (held === undefined) return [memory.swap, memory.limit];
  const heldLimit = finite(held.limit);
  const heldSwap = finite(held.swap);
  const limit = isSet(memory.limit) ? memory.limit : heldLimit;
  if (isSet(memory.swap)) return [memory.swap, limit];
  if (!isSet(memory.limit)) return [undefined, undefined];
  const lifted = BigInt(memory.limit) === -1n;
  return [lifted || heldLimit === undefined || heldSwap === undefined ? undefined : heldLimit + heldSwap, limit];
}

function finite(text: string | undefined): bigint | undefined {
  return text === undefined || text === "max" ? undefined : BigInt(text);
}

/** v2 would invoke the OOM killer for a limit below the usage; `checkBeforeUpdate` asks for v1's refusal instead. */
function checkUsage(context: LimitContext, memory: MemoryResources): void {
  const text = current(context, "/memory/checkBeforeUpdate", "memory.current");
  if (text === undefined) return;
  const usage = BigInt(text);
  for (const [name, field, value] of [
    ["memory+swap", "swap", memory.swap],
    ["memory", "limit", memory.limit],
  ] as const) {
    if (value === undefined || BigInt(value) <= 0n || BigInt(value) > usage) continue;
    throw new TsruncError("state", `rejecting ${name} limit ${value} <= usage ${usage}`, {
      at: `${context.base}/memory/${field}`,
    });
  }
}
