import type { Uint64 } from "../spec/types.ts";
import type { HostFiles } from "./host.ts";
import type { HugetlbStats, MemoryEntry, Pressure, PressureLine } from "./stats-types.ts";

/** 2^64-1: how runc reports `max`. */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** A reader of one cgroup's files. */
export type Reader = (file: string) => string | undefined;

export function reader(host: HostFiles, directory: string | undefined): Reader {
  return (file) => (directory === undefined ? undefined : host.read(`${directory}/${file}`));
}

/** An unsigned number, exact; a kernel's negative slip is 0, as in runc. */
export function uint(text: string): Uint64 {
  const trimmed = text.trim();
  if (trimmed === "max") return UNLIMITED;
  if (trimmed === "" || trimmed.startsWith("-")) return 0;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : fit(BigInt(trimmed));
}

/** A number where it is exact, else a bigint. */
export function fit(value: bigint): Uint64 {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

export function times(value: Uint64, factor: number): Uint64 {
  const product = Number(value) * factor;
  return Number.isSafeInteger(product) ? product : fit(BigInt(value) * BigInt(factor));
}

/** The one number of a file; undefined if there is no such file. */
export function number(read: Reader, file: string): Uint64 | undefined {
  const text = read(file);
  return text === undefined ? undefined : uint(text);
}

/** A file of `key value` lines. */
export function pairs(text: string | undefined): ReadonlyMap<string, Uint64> {
  const found = new Map<string, Uint64>();
  for (const line of (text ?? "").split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) found.set(line.slice(0, space), uint(line.slice(space + 1)));
  }
  return found;
}

/** `{ [key]: value }`, or nothing for what Go's omitempty leaves out. */
export function nonZero<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  const empty = value === undefined || value === 0 || value === "" || (Array.isArray(value) && value.length === 0);
  return (empty ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

/** A memory entry, or nothing if all of it is zero. */
export function entry(usage: Uint64, max: Uint64, failcnt: Uint64, limit: Uint64): MemoryEntry | undefined {
  if (!usage && !max && !failcnt && !limit) return undefined;
  return { limit, ...nonZero("usage", usage), ...nonZero("max", max), failcnt };
}

/** A pressure file; undefined where the kernel keeps none. */
export function pressure(text: string | undefined): Pressure | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const lines: { some?: PressureLine; full?: PressureLine } = {};
  for (const line of text.split("\n")) {
    const [kind, ...fields] = line.split(" ");
    if (kind !== "some" && kind !== "full") continue;
    const values = new Map(fields.map((field) => field.split("=") as [string, string]));
    const average = (key: string) => Number(values.get(key) ?? 0);
    const parsed = {
      avg10: average("avg10"),
      avg60: average("avg60"),
      avg300: average("avg300"),
      total: uint(values.get("total") ?? "0"),
    };
    if (Object.values(parsed).some(Boolean)) lines[kind] = parsed;
  }
  return lines;
}

export function hugetlb(usage: Uint64, max: Uint64, failcnt: Uint64): HugetlbStats {
  return { ...nonZero("usage", usage), ...nonZero("max", max), failcnt };
}

/** memory.stat as a record with sorted keys, as Go prints maps. */
export function sorted(map: ReadonlyMap<string, Uint64>): Readonly<Record<string, Uint64>> | undefined {
  if (map.size === 0) return undefined;
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}
