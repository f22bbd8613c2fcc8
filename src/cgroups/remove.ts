import type { Op } from "../program/ops.ts";
import { HOST, type HostFiles } from "./host.ts";
import { writeOp } from "./limits.ts";
import { stopOp } from "./systemd/calls.ts";
import type { CgroupRecord } from "./types.ts";

export interface RemoveOptions {
  /** Kill what is in the cgroups first; without, a process in them makes the removal fail. */
  readonly kill: boolean;
  /** How long to wait for the last process to be gone. */
  readonly timeoutMs?: number;
}

/**
 * Removes a container's cgroups with all below them. Frozen processes of v1 do not die, so a kill is preceded
 * by a thaw; on v2 SIGKILL reaches them. One hierarchy kills, the others wait for what it killed.
 */
export function removePlan(record: CgroupRecord, { kill, timeoutMs = 10_000 }: RemoveOptions): readonly Op[] {
  const ops: Op[] = [];
  const { freezer } = record.paths;
  if (kill && freezer !== undefined) {
    ops.push(writeOp(`${freezer}/freezer.state`, "THAWED", undefined, ["ENOENT", "ENODEV", "ENOTDIR", "EROFS"]));
  }
  for (const path of ordered(record)) ops.push({ op: "cgroupRemove", path, kill, timeoutMs });
  // systemd takes an empty scope away by itself, but not at once; a new container may want the name.
  if (record.systemd !== undefined) ops.push(stopOp(record.systemd));
  return ops;
}

/** The same without a unit that systemd has taken away already, as it mostly has. */
export function withoutGoneUnit(record: CgroupRecord, host: HostFiles = HOST): CgroupRecord {
  if (record.systemd === undefined || record.systemd.file === "" || host.exists(record.systemd.file)) return record;
  const { systemd, ...rest } = record;
  return rest;
}

/** Each directory once; cgroup2 first, as it kills all at once with cgroup.kill. */
function ordered({ paths }: CgroupRecord): readonly string[] {
  const unified = paths[""];
  return [...new Set(unified === undefined ? Object.values(paths) : [unified, ...Object.values(paths)])];
}
