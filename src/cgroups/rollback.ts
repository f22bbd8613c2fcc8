import type { Op } from "../program/ops.ts";
import { HOST, type HostFiles } from "./host.ts";

/**
 * What takes the writes of an update back, last first, so that what had to be in order for the new values is so for
 * the old ones. To be made before the update; for a write that was never reached it changes nothing.
 */
export function rollbackPlan(ops: readonly Op[], host: HostFiles = HOST): readonly Op[] {
  return ops.toReversed().flatMap((op): Op[] => {
    if (op.op !== "write") return [];
    const path = exactFile(op.path);
    const before = host.read(path);
    const text = before === undefined ? undefined : formerText(path, op.text, before.trim());
    return text === undefined ? [] : [{ op: "write", path, text, flags: 0, ignore: [], quiet: true }];
  });
}

/** What the files of an update hold while it is planned: an update by somebody else in between makes the plan void. */
export function expectPlan(ops: readonly Op[], host: HostFiles = HOST): readonly Op[] {
  const paths = new Set(ops.flatMap((op) => (op.op === "write" ? [op.path] : [])));
  return [...paths].flatMap((path): Op[] => {
    const text = host.read(path);
    return text === undefined ? [] : [{ op: "expect", path, text, what: "update" }];
  });
}

/** A nice value is the nearest to a weight, so that it cannot bring every weight back. */
function exactFile(path: string): string {
  return path.endsWith("/cpu.weight.nice") ? path.slice(0, -".nice".length) : path;
}

/** Of a file with a line for each device or interface only the line of the key that is being written. */
function formerText(path: string, written: string, before: string): string | undefined {
  const key = written.includes(" ") ? written.slice(0, written.indexOf(" ") + 1) : undefined;
  const line = key === undefined ? undefined : before.split("\n").find((found) => found.startsWith(key));
  if (line !== undefined) return line;
  if (key !== undefined && /^\d+:\d+ $/.test(key)) return key + (unset(path) ?? "0");
  if (before.includes("\n")) return undefined;
  // An empty write(2) is none.
  return before === "" ? "\n" : before;
}

/** What a device without a line of its own has. */
function unset(path: string): string | undefined {
  if (path.endsWith("/io.max")) return "rbps=max wbps=max riops=max wiops=max";
  return path.endsWith("weight") ? "default" : undefined;
}
