/** Files of `unified` for which systemd has properties. What is not a value for a file the kernel refuses. */
import { INFINITY, IO_LIMITS, type Properties } from "./collect.ts";
import { fromBfq, parseBandwidth } from "./exact.ts";

/** Files with one number of bytes, or `max`. */
const MEMORY: Readonly<Record<string, readonly [name: string, since?: number]>> = {
  "memory.max": ["MemoryMax"],
  "memory.high": ["MemoryHigh"],
  "memory.low": ["MemoryLow"],
  "memory.min": ["MemoryMin"],
  "memory.swap.max": ["MemorySwapMax"],
  "memory.zswap.max": ["MemoryZSwapMax", 253],
};

export function unifiedProperty(found: Properties, file: string, text: string, field: string): void {
  const memory = MEMORY[file];
  if (memory !== undefined) {
    const value = bytes(text);
    if (value !== undefined) found.memory(memory[0], value, field, memory[1]);
    return;
  }
  switch (file) {
    case "memory.oom.group":
      if (text === "1") found.set({ name: "OOMPolicy", type: "s", value: "kill", since: 253 }, field); // of scopes
      return;
    case "memory.zswap.writeback":
      if (/^[01]$/.test(text)) {
        found.set({ name: "MemoryZSwapWriteback", type: "b", value: text === "1", since: 256 }, field);
      }
      return;
    case "pids.max":
      setNumber(found, "TasksMax", text === "max" ? INFINITY : unsigned(text), field);
      return;
    case "cpu.weight":
      setNumber(found, "CPUWeight", unsigned(text), field);
      return;
    case "cpu.weight.nice":
      if (/^-?\d{1,2}$/.test(text)) niceWeight(found, Number(text), field);
      return;
    case "cpu.idle":
      if (text === "1") found.idle(field);
      return;
    case "cpu.max": {
      const limit = parseBandwidth(text);
      if (limit !== undefined) found.bandwidth(limit, field);
      return;
    }
    case "cpuset.cpus":
      found.mask("AllowedCPUs", text, field);
      return;
    case "cpuset.mems":
      found.mask("AllowedMemoryNodes", text, field);
      return;
    case "io.weight":
      weights(found, text, (weight) => weight, field);
      return;
    case "io.bfq.weight":
      weights(found, text, fromBfq, field);
      return;
    case "io.max":
      ioMax(found, text, field);
      return;
    case "io.latency":
      ioLatency(found, text, field);
      return;
  }
}

function setNumber(found: Properties, name: string, value: bigint | undefined, field: string): void {
  if (value !== undefined) found.number(name, value, field);
}

/** A decimal number of 64 bits. What is longer is none, so no number is made of it. */
function unsigned(text: string): bigint | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < 1n << 64n ? value : undefined;
}

/** The kernel's memparse(): a number with K, M, G, T, P or E. */
function bytes(text: string): bigint | "max" | undefined {
  if (text === "max") return text;
  const match = /^(\d{1,20})([KMGTPE]?)$/i.exec(text);
  const number = unsigned(match?.[1] ?? "");
  if (match === null || number === undefined) return undefined;
  const power = match[2] === "" ? 0 : "KMGTPE".indexOf(match[2]?.toUpperCase() ?? "") + 1;
  const value = number << BigInt(10 * power);
  return value < 1n << 64n ? value : undefined;
}

/** sched_prio_to_weight of kernel/sched/core.c, for nice values from -20. */
const NICE_WEIGHTS = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991,
  1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
] as const;

/** As cpu.weight then shows it. */
function niceWeight(found: Properties, nice: number, field: string): void {
  const weight = NICE_WEIGHTS[nice + 20];
  if (weight !== undefined) found.number("CPUWeight", BigInt(Math.floor((weight * 100 + 512) / 1024)), field);
}

/** Lines `WEIGHT`, `default WEIGHT` and `MAJOR:MINOR WEIGHT`. */
function weights(found: Properties, text: string, scale: (weight: number) => number, field: string): void {
  for (const line of text.split("\n")) {
    const match = /^(?:(?:default|(\d+:\d+))\s+)?(\d{1,9})$/.exec(line.trim());
    if (match === null) continue;
    const weight = BigInt(scale(Number(match[2])));
    if (match[1] === undefined) found.number("IOWeight", weight, field);
    else found.device("IODeviceWeight", match[1], weight, field);
  }
}

/** Lines `MAJOR:MINOR rbps=… wiops=max`. */
function ioMax(found: Properties, text: string, field: string): void {
  for (const line of text.split("\n")) {
    const [device = "", ...limits] = line.trim().split(/\s+/);
    for (const limit of limits) {
      const match = /^([rw](?:bps|iops))=(max|\d+)$/.exec(limit);
      const name = match === null ? undefined : IO_LIMITS[match[1] ?? ""];
      const value = match?.[2] === "max" ? INFINITY : unsigned(match?.[2] ?? "");
      if (name === undefined || value === undefined || !/^\d+:\d+$/.test(device)) continue;
      found.device(name, device, value, field);
    }
  }
}

/** Lines `MAJOR:MINOR target=MICROSECONDS`. */
function ioLatency(found: Properties, text: string, field: string): void {
  for (const line of text.split("\n")) {
    const match = /^(\d+:\d+)\s+target=(\d+)$/.exec(line.trim());
    const value = unsigned(match?.[2] ?? "");
    if (value !== undefined) found.device("IODeviceLatencyTargetUSec", match?.[1] ?? "", value, field);
  }
}
