/** kill (runtime.md, "Kill"). */
import * as path from "node:path";
import { freezePlan } from "../cgroups/freeze.ts";
import { signalAll } from "../cgroups/kill.ts";
import { listPids } from "../cgroups/pids.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Spec } from "../spec/types.ts";
import { type Context, tellContainer } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { KillOptions } from "./options.ts";
import type { StateRecord } from "./record.ts";
import { signalNumber } from "./signals.ts";
import { containerStatus, type Status } from "./state.ts";
import { loadConfigText } from "./store.ts";
import { PATIENCE_MS, whenCreated } from "./when-created.ts";

const SIGKILL = 9;

/**
 * Signals the container's first process; with `all`, and for SIGKILL where it shares a pid namespace, all processes
 * of its cgroup, also when the first one is gone.
 *
 * @throws TsruncError `not-found`, `usage` (signal), `state` (not running)
 */
export function killContainer(context: Context, options: KillOptions): number | Promise<number> {
  const root = path.resolve(context.root);
  return whenCreated(root, options.id, (record) => kill(context, root, record, options), PATIENCE_MS);
}

function kill(context: Context, root: string, record: StateRecord, options: KillOptions): number | Promise<number> {
  const { id, signal, all } = options;
  const number = signalNumber(signal);
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  const running = status === "created" || status === "running" || status === "paused";
  const whole = all || (number === SIGKILL && sharesPids(root, id)) ? cgroupOf(record) : undefined;
  const rest = whole === undefined ? [] : listPids(whole, { recursive: true });
  if (whole !== undefined && rest.length > 0) {
    signalAll(whole, number);
    context.log.debug(`signal ${number} sent to ${rest.length} processes of the container's cgroup`);
    // It may have been moved to a cgroup of somebody else's.
    if (!running || rest.includes(record.pid)) return 0;
  }
  if (!running) {
    if (all) return 0; // as runc: nobody is left to be signalled
    throw new TsruncError("state", `container not running: \`${id}\` is ${status}`);
  }
  const launcher = [initSignal(record, number), ...thawOps(record, status, number)];
  const program = { launcher, init: [], cleanup: [], cleanupFrom: launcher.length, keepFds: 0 };
  return context.perform(program, launchOptions(context, id));
}

function cgroupOf({ cgroup }: StateRecord): CgroupRecord | undefined {
  return cgroup !== undefined && Object.keys(cgroup.paths).length > 0 ? cgroup : undefined;
}

function initSignal(record: StateRecord, signal: number): Op {
  return {
    op: "signal",
    pid: record.pid,
    start: record.startTime,
    signal,
    waitMs: 0,
    ignore: [],
    what: "container not running",
  };
}

/** On v1 a frozen process does not die of SIGKILL until it is thawed; on v2 it does. */
function thawOps({ cgroup }: StateRecord, status: Status, signal: number): readonly Op[] {
  if (signal !== SIGKILL || status !== "paused" || cgroup === undefined || cgroup.version === "v2") return [];
  return freezePlan(cgroup, "thawed");
}

/**
 * Without a pid namespace of its own the end of init does not end the others. Where the config cannot be read any more
 * that is taken to be so: they all are processes of the container's cgroup.
 */
function sharesPids(root: string, id: string): boolean {
  try {
    const { linux } = JSON.parse(loadConfigText(root, id)) as Spec;
    const pid = linux?.namespaces?.find((ns) => ns.type === "pid");
    return pid === undefined || (pid.path !== undefined && pid.path !== "");
  } catch {
    return true;
  }
}
