/** kill (runtime.md, "Kill"). */
import * as path from "node:path";
import { listPids } from "../cgroups/pids.ts";
import { TsruncError } from "../errors.ts";
import { become } from "../init/launch.ts";
import type { Op } from "../program/ops.ts";
import type { Spec } from "../spec/types.ts";
import type { Context } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { KillOptions } from "./options.ts";
import { readProcess } from "./proc.ts";
import { signalNumber } from "./signals.ts";
import { containerStatus } from "./state.ts";
import { containerDirectory, loadConfigText, loadState, type StateRecord } from "./store.ts";

const SIGKILL = 9;

/** @throws TsruncError `not-found`, `usage` (signal), `state` (not running) */
export function killContainer(context: Context, { id, signal, all }: KillOptions): number {
  const root = path.resolve(context.root);
  const record = loadState(root, id);
  const number = signalNumber(signal);
  const status = containerStatus(root, record);
  const running = status === "created" || status === "running" || status === "paused";
  const whole = all || (number === SIGKILL && sharesPids(root, id));
  const rest = whole && record.cgroup !== undefined ? listPids(record.cgroup, { recursive: true }) : [];
  // With --all runc signals what is left in the cgroup, also after init is gone, and is content with nothing.
  if (!running && !all && rest.length === 0)
    throw new TsruncError("state", `container not running: \`${id}\` is ${status}`);
  const launcher: Op[] = rest.filter((pid) => pid !== record.pid).flatMap((pid) => signalOps(pid, number));
  if (running) launcher.push(initSignal(record, number));
  if (launcher.length === 0) return 0;
  const program = { launcher, init: [], cleanup: [], cleanupFrom: launcher.length, keepFds: 0 };
  return become(program, launchOptions(context, containerDirectory(root, id)));
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

function signalOps(pid: number, signal: number): Op[] {
  const found = readProcess(pid);
  if (found === undefined) return [];
  return [{ op: "signal", pid, start: found.startTime, signal, waitMs: 0, ignore: ["ESRCH"] }];
}

/** Without a pid namespace of its own the end of init does not end the others. */
function sharesPids(root: string, id: string): boolean {
  const { linux } = JSON.parse(loadConfigText(root, id)) as Spec;
  const pid = linux?.namespaces?.find((ns) => ns.type === "pid");
  return pid === undefined || (pid.path !== undefined && pid.path !== "");
}
