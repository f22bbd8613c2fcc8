import type { Uint64 } from "../spec/types.ts";
import type { HostFiles } from "./host.ts";
import { sizeName } from "./limits-other.ts";
import { entry, hugetlb, nonZero, number, pairs, type Reader, reader, sorted, times, uint } from "./stats-parse.ts";
import type {
  BlkioEntry,
  BlkioStats,
  CpuStats,
  CpusetStats,
  HugetlbStats,
  MemoryEntry,
  MemoryStats,
  Stats,
} from "./stats-types.ts";
import { NO_CPUSET, pids } from "./stats-v2.ts";

/** Statistics from the v1 hierarchies that the container is in. */
export function statsV1(paths: Readonly<Record<string, string>>, host: HostFiles): Stats {
  const of = (controller: string) => reader(host, paths[controller]);
  return {
    cpu: cpu(of("cpuacct"), of("cpu")),
    cpuset: paths.cpuset === undefined ? NO_CPUSET : cpuset(of("cpuset")),
    memory: memory(of("memory")),
    pids: paths.pids === undefined ? {} : pids(of("pids")),
    blkio: blkio(of("blkio")),
    hugetlb: paths.hugetlb === undefined ? {} : hugetlbs(of("hugetlb"), host),
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** Nanoseconds in one of cpuacct.stat's ticks: USER_HZ is 100 on all architectures that Linux still has. */
const TICK = 10_000_000;

function cpu(account: Reader, scheduler: Reader): CpuStats {
  const ticks = pairs(account("cpuacct.stat"));
  const kernel = times(ticks.get("system") ?? 0, TICK);
  const user = times(ticks.get("user") ?? 0, TICK);
  const rows = (account("cpuacct.usage_all") ?? "").split("\n").slice(1);
  const column = (i: number) => rows.filter((row) => row !== "").map((row) => uint(row.split(" ")[i] ?? "0"));
  const usage = {
    ...nonZero("total", number(account, "cpuacct.usage")),
    ...nonZero("percpu", (account("cpuacct.usage_percpu") ?? "").split(/\s+/).filter(Boolean).map(uint)),
    ...nonZero("percpu_kernel", column(2)),
    ...nonZero("percpu_user", column(1)),
    kernel,
    user,
  };
  const stat = pairs(scheduler("cpu.stat"));
  const throttling = {
    ...nonZero("periods", stat.get("nr_periods")),
    ...nonZero("throttledPeriods", stat.get("nr_throttled")),
    ...nonZero("throttledTime", stat.get("throttled_time")),
  };
  const used = Object.keys(usage).length > 2 || kernel !== 0 || user !== 0;
  return { ...(used ? { usage } : {}), ...(Object.keys(throttling).length > 0 ? { throttling } : {}) };
}

function cpuset(read: Reader): CpusetStats {
  const file = (name: string) => read(`cpuset.${name}`) ?? read(name);
  const flag = (name: string) => uint(file(name) ?? "0");
  return {
    ...nonZero("cpus", list(file("cpus"))),
    cpu_exclusive: flag("cpu_exclusive"),
    ...nonZero("mems", list(file("mems"))),
    mem_hardwall: flag("mem_hardwall"),
    mem_exclusive: flag("mem_exclusive"),
    memory_migrate: flag("memory_migrate"),
    memory_spread_page: flag("memory_spread_page"),
    memory_spread_slab: flag("memory_spread_slab"),
    memory_pressure: flag("memory_pressure"),
    sched_load_balance: flag("sched_load_balance"),
    sched_relax_domain_level: Number((file("sched_relax_domain_level") ?? "0").trim()),
  };
}

/** `0-2,5` as numbers. */
function list(text: string | undefined): readonly number[] {
  const found: number[] = [];
  for (const part of (text ?? "").trim().split(",")) {
    if (part === "") continue;
    const [from = 0, to = from] = part.split("-").map(Number);
    for (let n = from; n <= to; n++) found.push(n);
  }
  return found;
}

function memory(read: Reader): MemoryStats {
  const stat = pairs(read("memory.stat"));
  return {
    ...nonZero("cache", stat.get("cache")),
    ...nonZero("usage", memoryEntry(read, "memory")),
    ...nonZero("swap", memoryEntry(read, "memory.memsw")),
    ...nonZero("kernel", memoryEntry(read, "memory.kmem")),
    ...nonZero("kernelTCP", memoryEntry(read, "memory.kmem.tcp")),
    ...nonZero("raw", sorted(stat)),
  };
}

function memoryEntry(read: Reader, prefix: string): MemoryEntry | undefined {
  const value = (name: string): Uint64 => number(read, `${prefix}.${name}`) ?? 0;
  return entry(value("usage_in_bytes"), value("max_usage_in_bytes"), value("failcnt"), value("limit_in_bytes"));
}

/** Sources of the same figures, the best first; the first that a kernel has all of is used, as in runc. */
const BLKIO_SOURCES = ["bfq/all", "bfq/basic", "old/all", "throttle.*_recursive", "throttle.*"] as const;
const BASIC = [
  ["io_serviced", "ioServicedRecursive"],
  ["io_service_bytes", "ioServiceBytesRecursive"],
] as const;
const FULL = [
  ["sectors", "sectorsRecursive"],
  ["io_service_time", "ioServiceTimeRecursive"],
  ["io_wait_time", "ioWaitTimeRecursive"],
  ["io_merged", "ioMergedRecursive"],
  ["io_queued", "ioQueueRecursive"],
  ["time", "ioTimeRecursive"],
  ...BASIC,
] as const;

function blkio(read: Reader): BlkioStats {
  for (const source of BLKIO_SOURCES) {
    const prefix = source.startsWith("bfq") ? "bfq." : source.startsWith("throttle") ? "throttle." : "";
    const suffix = source === "throttle.*" ? "" : "_recursive";
    const found: Record<string, readonly BlkioEntry[]> = {};
    const entries = (source.endsWith("/all") ? FULL : BASIC).map(([file, key]) => {
      const parsed = blkioEntries(read(`blkio.${prefix}${file}${suffix}`));
      if (parsed !== undefined && parsed.length > 0) found[key] = parsed;
      return parsed !== undefined && parsed.length > 0;
    });
    if (entries.every(Boolean)) return ordered(found);
  }
  return {};
}

function ordered(found: Readonly<Record<string, readonly BlkioEntry[]>>): BlkioStats {
  const order = ["ioServiceBytesRecursive", "ioServicedRecursive", "ioQueueRecursive", "ioServiceTimeRecursive"];
  order.push("ioWaitTimeRecursive", "ioMergedRecursive", "ioTimeRecursive", "sectorsRecursive");
  return Object.fromEntries(order.flatMap((key) => (found[key] === undefined ? [] : [[key, found[key]]])));
}

/** Lines `8:0 Read 4096` or `8:0 4096`, and a total that is left out; undefined if there is no such file. */
function blkioEntries(text: string | undefined): readonly BlkioEntry[] | undefined {
  if (text === undefined) return undefined;
  return text.split("\n").flatMap((line) => {
    const [major, minor, ...rest] = line.split(/[ :]+/);
    if (major === undefined || minor === undefined || rest.length === 0) return [];
    const value = uint(rest.at(-1) ?? "0");
    return [
      {
        ...nonZero("major", Number(major)),
        ...nonZero("minor", Number(minor)),
        ...nonZero("op", rest.length > 1 ? rest[0] : ""),
        ...nonZero("value", value),
      },
    ];
  });
}

function hugetlbs(read: Reader, host: HostFiles): Readonly<Record<string, HugetlbStats>> {
  const found: Record<string, HugetlbStats> = {};
  for (const size of host.directories("/sys/kernel/mm/hugepages").flatMap(sizeName).sort()) {
    const infix = read(`hugetlb.${size}.rsvd.usage_in_bytes`) === undefined ? "" : ".rsvd";
    const value = (name: string) => number(read, `hugetlb.${size}${infix}.${name}`);
    const usage = value("usage_in_bytes");
    if (usage !== undefined) found[size] = hugetlb(usage, value("max_usage_in_bytes") ?? 0, value("failcnt") ?? 0);
  }
  return found;
}
