/** Limits as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)). */
import type { Op } from "../../program/ops.ts";

/** D-Bus types of values. 64-bit numbers are written as text, so that JSON can hold them. */
export type Property =
  | { readonly name: string; readonly type: "t"; readonly value: string; readonly optional?: boolean }
  | { readonly name: string; readonly type: "i" | "u"; readonly value: number; readonly optional?: boolean }
  | { readonly name: string; readonly type: "b"; readonly value: boolean; readonly optional?: boolean }
  | { readonly name: string; readonly type: "s"; readonly value: string; readonly optional?: boolean }
  | { readonly name: string; readonly type: "as"; readonly value: readonly string[]; readonly optional?: boolean }
  | {
      readonly name: string;
      readonly type: "ay" | "au";
      readonly value: readonly number[];
      readonly optional?: boolean;
    };

/** CGROUP_LIMIT_MAX and USEC_INFINITY of systemd. */
const INFINITY = `${(1n << 64n) - 1n}`;

/**
 * What systemd must know of the writes to a cgroup's files, so that it does not write values of its own over them
 * when it is reloaded. Where one is rounded or cannot be told, the file still has what was asked for. Properties
 * that older versions do not know are optional, for the same reason.
 */
export function propertiesOf(ops: readonly Op[]): readonly Property[] {
  const found = new Map<string, Property>();
  for (const op of ops) {
    if (op.op !== "write") continue;
    const file = op.path.slice(op.path.lastIndexOf("/") + 1);
    for (const property of fileProperties(file, op.text.trim())) {
      // Both scales of a weight are written; the BFQ scheduler's is the coarser one.
      if (file === "io.bfq.weight" && found.has(property.name)) continue;
      found.set(property.name, property);
    }
  }
  return [...found.values()];
}

function fileProperties(file: string, text: string): readonly Property[] {
  switch (file) {
    case "memory.max":
      return limit("MemoryMax", text);
    case "memory.high":
      return limit("MemoryHigh", text);
    case "memory.low":
      return limit("MemoryLow", text);
    case "memory.min":
      return limit("MemoryMin", text);
    case "memory.swap.max":
      return limit("MemorySwapMax", text);
    case "memory.zswap.max":
      return limit("MemoryZSwapMax", text, true); // 253
    case "memory.oom.group":
      return text === "1" ? [{ name: "OOMPolicy", type: "s", value: "kill", optional: true }] : []; // 253 for scopes
    case "pids.max":
      return limit("TasksMax", text);
    case "cpu.weight":
      return number("CPUWeight", text);
    case "cpu.idle":
      return text === "1" ? [{ name: "CPUWeight", type: "t", value: "0", optional: true }] : []; // 252
    case "cpu.max":
      return bandwidth(text);
    case "cpuset.cpus":
      return mask("AllowedCPUs", text); // 244
    case "cpuset.mems":
      return mask("AllowedMemoryNodes", text); // 244
    case "io.weight":
      return number("IOWeight", text.replace(/^default /, ""));
    case "io.bfq.weight":
      return number("IOWeight", fromBfq(text));
    default:
      return [];
  }
}

function limit(name: string, text: string, optional = false): readonly Property[] {
  const value = text === "max" ? INFINITY : bytes(text);
  return value === undefined ? [] : [{ name, type: "t", value, ...(optional ? { optional } : {}) }];
}

/** The kernel's memparse(): a number with K, M, G, T, P or E. */
function bytes(text: string): string | undefined {
  const match = /^(\d+)([KMGTPE]?)$/i.exec(text);
  if (match === null) return undefined;
  const power = match[2] === "" ? 0 : "KMGTPE".indexOf(match[2]?.toUpperCase() ?? "") + 1;
  return `${BigInt(match[1] ?? 0) << BigInt(10 * power)}`;
}

function number(name: string, text: string): readonly Property[] {
  return /^\d+$/.test(text) ? [{ name, type: "t", value: text }] : [];
}

/** BFQ's 1 … 1000 from systemd's 1 … 10000, both with 100 as the default, each half linear: the way back. */
function fromBfq(text: string): string {
  if (!/^\d+$/.test(text)) return text;
  const weight = Number(text);
  return `${weight <= 100 ? weight : 100 + Math.round(((weight - 100) * 9900) / 900)}`;
}

function bandwidth(text: string): readonly Property[] {
  const [quota = "max", period = "100000"] = text.split(" ");
  if (!/^(max|\d+)$/.test(quota) || !/^[1-9]\d*$/.test(period)) return [];
  const properties: Property[] = [{ name: "CPUQuotaPeriodUSec", type: "t", value: period, optional: true }]; // 242
  const value = quota === "max" ? INFINITY : perSecond(BigInt(quota), BigInt(period));
  return [...properties, { name: "CPUQuotaPerSecUSec", type: "t", value }];
}

/** systemd keeps whole percents, 10 ms per second; rounded up, so that cgroups inside may have all that was asked for. */
function perSecond(quota: bigint, period: bigint): string {
  const exact = (quota * 1_000_000n) / period;
  const step = 10_000n;
  return `${((exact + step - 1n) / step) * step}`;
}

/** A list such as `0-3,7` as bytes with one bit for each, the lowest first. */
function mask(name: string, text: string): readonly Property[] {
  const value: number[] = [];
  for (const part of text.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (match === null) return [];
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (last >= 8192) return [];
    for (let n = first; n <= last; n++) value[n >> 3] = (value[n >> 3] ?? 0) | (1 << (n & 7));
  }
  return [{ name, type: "ay", value: Array.from(value, (byte) => byte ?? 0), optional: true }];
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
    // A unit that failed is taken away like any other and blocks no container of the same name. 236
    { name: "CollectMode", type: "s", value: "inactive-or-failed", optional: true },
  ];
}

/** One of each name: the later one, in the place of the first. */
export function merged(...lists: readonly (readonly Property[])[]): readonly Property[] {
  return [...new Map(lists.flat().map((property) => [property.name, property])).values()];
}
