/** Limits as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)). Pure. */
import type { BlockIOResources, CpuResources, Resources } from "../../spec/types.ts";
import { cpuSharesToWeight, pidsMax } from "../convert.ts";
import { token } from "../limits.ts";
import { bandwidth } from "../limits-cpu.ts";
import { THROTTLES } from "../limits-io.ts";
import { isSet, swapValue } from "../limits-memory.ts";
import type { HeldLimits } from "../plan-v2.ts";
import { INFINITY, IO_LIMITS, Properties, type Property } from "./collect.ts";
import { fromBfq } from "./exact.ts";
import { unifiedProperty } from "./unified.ts";

/**
 * What systemd is told of the limits, so that it holds what the files hold and writes nothing else when it is reloaded.
 * `held`: what the cgroup has now, for an update.
 */
export function limitProperties(resources: Resources, base: string, held?: () => HeldLimits): readonly Property[] {
  const found = new Properties(base);
  const { memory, cpu, pids, blockIO, unified } = resources;
  if (memory !== undefined) {
    const swap = swapValue(memory, held?.().memory, `${base}/memory/swap`);
    if (swap !== undefined) found.memory("MemorySwapMax", swap, "/memory/swap");
    if (isSet(memory.limit)) found.memory("MemoryMax", orNone(memory.limit), "/memory/limit");
    if (isSet(memory.reservation)) found.memory("MemoryLow", orNone(memory.reservation), "/memory/reservation");
  }
  if (pids?.limit !== undefined) found.number("TasksMax", finite(pidsMax(pids.limit)), "/pids/limit");
  if (blockIO !== undefined) ioProperties(found, blockIO);
  if (cpu !== undefined) cpuProperties(found, cpu, held);
  for (const [file, text] of Object.entries(unified ?? {})) {
    unifiedProperty(found, file, text.trim(), `/unified/${token(file)}`);
  }
  return found.list();
}

/** The properties that stand for what files of a cgroup hold. */
export function fileProperties(files: Readonly<Record<string, string>>): readonly Property[] {
  return limitProperties({ unified: files }, "");
}

function cpuProperties(found: Properties, cpu: CpuResources, held: (() => HeldLimits) | undefined): void {
  if (cpu.shares) found.number("CPUWeight", BigInt(cpuSharesToWeight(cpu.shares)), "/cpu/shares");
  // The kernel gives what is idle no longer the default weight.
  else if (cpu.idle === 0 && held?.().cpuIdle === "1") found.number("CPUWeight", DEFAULT_WEIGHT, "/cpu/idle");
  if (cpu.idle === 1) found.idle("/cpu/idle");
  const limit = bandwidth(cpu, held?.().cpuMax);
  if (limit !== undefined) found.bandwidth(limit, cpu.quota ? "/cpu/quota" : "/cpu/period");
  if (cpu.cpus) found.mask("AllowedCPUs", cpu.cpus, "/cpu/cpus");
  if (cpu.mems) found.mask("AllowedMemoryNodes", cpu.mems, "/cpu/mems");
}

const DEFAULT_WEIGHT = 100n;

function ioProperties(found: Properties, io: BlockIOResources): void {
  if (io.weight) found.number("IOWeight", BigInt(fromBfq(io.weight)), "/blockIO/weight");
  for (const { major, minor, weight } of io.weightDevice ?? []) {
    if (weight) found.device("IODeviceWeight", `${major}:${minor}`, BigInt(fromBfq(weight)), "/blockIO/weightDevice");
  }
  for (const [field, , key] of THROTTLES) {
    for (const { major, minor, rate } of io[field] ?? []) {
      found.device(IO_LIMITS[key] ?? "", `${major}:${minor}`, BigInt(rate), `/blockIO/${field}`);
    }
  }
}

function orNone(value: number | bigint | string): bigint | "max" {
  return BigInt(value) === -1n ? "max" : BigInt(value);
}

function finite(text: string): bigint {
  return text === "max" ? INFINITY : BigInt(text);
}

/** What every container's scope has. */
export function scopeProperties(id: string, slice: string): readonly Property[] {
  return [
    { name: "Description", type: "s", value: `container ${id}` },
    { name: "Slice", type: "s", value: slice },
    // The tree below is the container's, and systemd switches every controller on for it.
    { name: "Delegate", type: "b", value: true },
    { name: "DefaultDependencies", type: "b", value: false },
    ...(["MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"] as const).map(
      (name) => ({ name, type: "b", value: true }) as const,
    ),
  ];
}

/** One of each name: the later one, in the place of the first. */
export function merged(...lists: readonly (readonly Property[])[]): readonly Property[] {
  return [...new Map(lists.flat().map((property) => [property.name, property])).values()];
}
