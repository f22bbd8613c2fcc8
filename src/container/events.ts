/** events: statistics at intervals, and a line whenever memory ran out. */
import * as path from "node:path";
import { oomState } from "../cgroups/oom.ts";
import { readStats, stringifyStats } from "../cgroups/stats.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { Context } from "./context.ts";
import type { EventsOptions } from "./options.ts";
import { isAlive, type ProcessRef } from "./proc.ts";
import { containerStatus } from "./state.ts";
import { loadState } from "./store.ts";

/**
 * How often the end of the container and the OOM counter are looked at, in milliseconds: two small reads, some
 * 0.2 % of a CPU. One counter serves v1 and v2, and shows what happened between two looks.
 */
const LOOK_MS = 200;

const NO_CGROUP: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

/**
 * Passes events to `emit`, one line of JSON each, without line feed. With `stats` one event; else the promise is
 * settled when the container's first process has ended.
 *
 * @throws TsruncError `not-found`, `state`
 */
export async function containerEvents(
  context: Context,
  { id, intervalMs, stats }: EventsOptions,
  emit: (line: string) => void,
): Promise<void> {
  const root = path.resolve(context.root);
  const record = loadState(root, id);
  if (containerStatus(root, record) === "stopped") {
    throw new TsruncError("state", `container with id ${id} is not running`);
  }
  const cgroup = record.cgroup ?? NO_CGROUP;
  if (stats) emit(statsLine(id, cgroup));
  else await stream(record, cgroup, intervalMs, emit);
}

async function stream(
  { id, pid, startTime }: ProcessRef & { readonly id: string },
  cgroup: CgroupRecord,
  intervalMs: number,
  emit: (line: string) => void,
): Promise<void> {
  let oom = oomState(cgroup);
  let due = performance.now() + intervalMs;
  for (let alive = true; alive; ) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.min(LOOK_MS, due - performance.now()))));
    alive = isAlive({ pid, startTime });
    const now = oomState(cgroup);
    const killed = now.kills !== undefined && now.kills > (oom.kills ?? 0);
    if (killed || (now.underOom && !oom.underOom)) emit(JSON.stringify({ type: "oom", id }));
    oom = now;
    if (!alive || performance.now() < due) continue;
    emit(statsLine(id, cgroup));
    due = Math.max(due + intervalMs, performance.now());
  }
}

function statsLine(id: string, cgroup: CgroupRecord): string {
  return stringifyStats({ type: "stats", id, data: readStats(cgroup) });
}
