import { HOST, type HostFiles } from "./host.ts";
import type { Stats } from "./stats-types.ts";
import { statsV1 } from "./stats-v1.ts";
import { statsV2 } from "./stats-v2.ts";
import type { CgroupRecord } from "./types.ts";

/** Reads the statistics of a container's cgroups. What the kernel does not keep is absent or zero. */
export function readStats(record: CgroupRecord, host: HostFiles = HOST): Stats {
  return record.version === "v2" ? statsV2(record.paths[""], host) : statsV1(record.paths, host);
}

/** One line of JSON with every digit of numbers that JSON.stringify would round. */
export function stringifyStats(value: unknown): string {
  if (typeof value === "bigint") return `${value}`;
  if (Array.isArray(value)) return `[${value.map(stringifyStats).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${stringifyStats(member)}`).join(",")}}`;
}
