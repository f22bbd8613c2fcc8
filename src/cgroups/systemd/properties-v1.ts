/** Limits of cgroup v1 as properties of a unit, as far as systemd manages these files. Pure. */
import type { BlockIOResources, Resources } from "../../spec/types.ts";
import { pidsMax } from "../convert.ts";
import { bandwidth } from "../limits-cpu.ts";
import { isSet } from "../limits-memory.ts";
import { INFINITY, Properties, type Property } from "./collect.ts";

/** `heldCpuMax`: quota and period of the cgroup as cpu.max of cgroup v2 has them, for an update. */
export function limitPropertiesV1(
  resources: Resources,
  base: string,
  heldCpuMax?: () => string | undefined,
): readonly Property[] {
  const found = new Properties(base);
  const { memory, cpu, pids, blockIO } = resources;
  if (isSet(memory?.limit)) {
    const limit = BigInt(memory?.limit ?? -1);
    found.memory("MemoryLimit", limit < 0n ? "max" : limit, "/memory/limit");
  }
  if (pids?.limit !== undefined) {
    const limit = pidsMax(pids.limit);
    found.number("TasksMax", limit === "max" ? INFINITY : BigInt(limit), "/pids/limit");
  }
  if (cpu?.shares) found.number("CPUShares", BigInt(cpu.shares), "/cpu/shares");
  const limit = cpu === undefined ? undefined : bandwidth(cpu, heldCpuMax?.());
  if (limit !== undefined) found.bandwidth(limit, cpu?.quota ? "/cpu/quota" : "/cpu/period");
  if (blockIO !== undefined) blockIoProperties(found, blockIO);
  return found.list();
}

/** Limits on operations systemd does not set on cgroup v1. */
const THROTTLES = [
  ["throttleReadBpsDevice", "BlockIOReadBandwidth"],
  ["throttleWriteBpsDevice", "BlockIOWriteBandwidth"],
] as const;

function blockIoProperties(found: Properties, io: BlockIOResources): void {
  if (io.weight) found.number("BlockIOWeight", BigInt(io.weight), "/blockIO/weight");
  for (const { major, minor, weight } of io.weightDevice ?? []) {
    if (weight) found.device("BlockIODeviceWeight", `${major}:${minor}`, BigInt(weight), "/blockIO/weightDevice");
  }
  for (const [field, name] of THROTTLES) {
    for (const { major, minor, rate } of io[field] ?? []) {
      found.device(name, `${major}:${minor}`, BigInt(rate), `/blockIO/${field}`);
    }
  }
}
