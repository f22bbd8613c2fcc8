import type { Uint64 } from "../spec/types.ts";
import type { HostFiles } from "./host.ts";
import { sizeName } from "./limits-other.ts";
import {
  entry,
  fit,
  hugetlb,
  nonZero,
  number,
  pairs,
  pressure,
  type Reader,
  reader,
  sorted,
  times,
  UNLIMITED,
  uint,
} from "./stats-parse.ts";
import type { BlkioEntry, BlkioStats, CpuStats, CpusetStats, HugetlbStats, MemoryStats, Stats } from "./stats-types.ts";

/** Statistics of a cgroup v2 in the shape that v1 gave them. */
export function statsV2(directory: string | undefined, host: HostFiles): Stats {
  const read = reader(host, directory);
  return {
    cpu: cpu(read),
    cpuset: NO_CPUSET,
    memory: memory(read),
    pids: pids(read),
    blkio: io(read),
    hugetlb: hugetlbs(read, host),
    intel_rdt: {},
    network_interfaces: null,
  };
}

export const NO_CPUSET: CpusetStats = {
  cpu_exclusive: 0,
  mem_hardwall: 0,
  mem_exclusive: 0,
  memory_migrate: 0,
  memory_spread_page: 0,
  memory_spread_slab: 0,
  memory_pressure: 0,
  sched_load_balance: 0,
  sched_relax_domain_level: 0,
};

/** pids.current and pids.max, where "no limit" is 0. */
export function pids(read: Reader): Stats["pids"] {
  const current = number(read, "pids.current");
  // Without the controller the processes can still be counted.
  if (current === undefined)
    return nonZero("current", (read("cgroup.procs") ?? read("cgroup.threads") ?? "").split("\n").length - 1);
  const limit = number(read, "pids.max");
  return { ...nonZero("current", current), ...nonZero("limit", limit === UNLIMITED ? 0 : limit) };
}

function cpu(read: Reader): CpuStats {
  const stat = pairs(read("cpu.stat"));
  const nanoseconds = (key: string) => times(stat.get(key) ?? 0, 1000);
  const [kernel, user] = [nanoseconds("system_usec"), nanoseconds("user_usec")];
  const usage = { ...nonZero("total", nanoseconds("usage_usec")), kernel, user };
  const throttling = {
    ...nonZero("periods", stat.get("nr_periods")),
    ...nonZero("throttledPeriods", stat.get("nr_throttled")),
    ...nonZero("throttledTime", nanoseconds("throttled_usec")),
  };
  const psi = pressure(read("cpu.pressure"));
  const used = usage.total !== undefined || kernel !== 0 || user !== 0;
  return {
    ...(used ? { usage } : {}),
    ...(Object.keys(throttling).length > 0 ? { throttling } : {}),
    ...nonZero("psi", psi),
  };
}

function memory(read: Reader): MemoryStats {
  const stat = pairs(read("memory.stat"));
  const usage = number(read, "memory.current");
  const psi = nonZero("psi", pressure(read("memory.pressure")));
  if (usage === undefined) return { ...nonZero("cache", stat.get("file")), ...nonZero("raw", sorted(stat)), ...psi };
  const limit = number(read, "memory.max") ?? UNLIMITED;
  const swap = number(read, "memory.swap.current");
  // Where the kernel counts no swap its limit is 0, not none.
  const swapLimit = swap === undefined ? 0 : (number(read, "memory.swap.max") ?? UNLIMITED);
  const total = swapLimit === UNLIMITED ? UNLIMITED : sum(swapLimit, limit);
  return {
    ...nonZero("cache", stat.get("file")),
    ...nonZero("usage", entry(usage, number(read, "memory.peak") ?? 0, 0, limit)),
    ...nonZero("swap", entry(sum(swap ?? 0, usage), 0, 0, total)),
    ...nonZero("raw", sorted(stat)),
    ...psi,
  };
}

/** Go's uint64 addition, which wraps: "no limit" plus something is what runc prints. */
function sum(a: Uint64, b: Uint64): Uint64 {
  return fit(BigInt.asUintN(64, BigInt(a) + BigInt(b)));
}

function io(read: Reader): BlkioStats {
  const bytes: BlkioEntry[] = [];
  const served: BlkioEntry[] = [];
  for (const line of (read("io.stat") ?? "").split("\n")) {
    const [device = "", ...fields] = line.split(" ");
    const [major, minor] = device.split(":").map(Number);
    if (major === undefined || minor === undefined) continue;
    for (const field of fields) {
      const [key, value = "0"] = field.split("=");
      const target =
        key === "rbytes" || key === "wbytes" ? bytes : key === "rios" || key === "wios" ? served : undefined;
      const op = key?.startsWith("r") ? "Read" : "Write";
      target?.push({ ...nonZero("major", major), ...nonZero("minor", minor), op, ...nonZero("value", uint(value)) });
    }
  }
  return {
    ...nonZero("ioServiceBytesRecursive", bytes),
    ...nonZero("ioServicedRecursive", served),
    ...nonZero("psi", pressure(read("io.pressure"))),
  };
}

function hugetlbs(read: Reader, host: HostFiles): Readonly<Record<string, HugetlbStats>> {
  const found: Record<string, HugetlbStats> = {};
  for (const size of host.directories("/sys/kernel/mm/hugepages").flatMap(sizeName).sort()) {
    const usage = number(read, `hugetlb.${size}.rsvd.current`) ?? number(read, `hugetlb.${size}.current`);
    if (usage === undefined) continue;
    found[size] = hugetlb(usage, 0, pairs(read(`hugetlb.${size}.events`)).get("max") ?? 0);
  }
  return found;
}
