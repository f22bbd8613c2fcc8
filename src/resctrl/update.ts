/** New schemata for a living container, as runc's update has them. */
import { HOST, type HostFiles } from "../cgroups/host.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { IntelRdt } from "../spec/types.ts";
import { resctrlMount } from "./mount.ts";
import { linesOf, schemataOp } from "./plan.ts";
import type { ResctrlRecord } from "./types.ts";

/** What can be changed. */
export type Schemas = Pick<IntelRdt, "l3CacheSchema" | "memBwSchema">;

/** In words that tests of engines know. */
const NEEDS = [
  ["l3CacheSchema", "L3", "Intel RDT/CAT: l3 cache schema is not enabled"],
  ["memBwSchema", "MB", "Intel RDT/MBA: memory bandwidth schema is not enabled"],
] as const;

/** One write, which the kernel takes as a whole or not at all. @throws TsruncError `unsupported`, `state` without a group */
export function updateResctrlOps(
  schemas: Schemas,
  record: ResctrlRecord | undefined,
  host: Pick<HostFiles, "read" | "exists"> = HOST,
): Op[] {
  const lines = linesOf(schemas);
  if (lines.length === 0) return [];
  const mount = resctrlMount(host);
  for (const [field, resource, message] of NEEDS) {
    if ((schemas[field] ?? "") === "") continue;
    if (mount !== undefined && host.exists(`${mount}/info/${resource}`)) continue;
    throw new TsruncError("unsupported", message, { hint: "it needs a mounted resctrl and hardware that has it" });
  }
  const group = record?.groups[0];
  if (group !== undefined) return [schemataOp(group, `${lines.join("\n")}\n`)];
  throw new TsruncError("state", "the container is in no group of resctrl", {
    hint: "it gets one by `linux.intelRdt` of its config.json",
  });
}
