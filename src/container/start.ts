/** start (runtime.md, "Start"). */
import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import type { Label } from "../init/report.ts";
import { SLOT_NOTIFY } from "../program/compile.ts";
import { type RemovalInput, removalOps } from "../program/compile-delete.ts";
import { compileHooks } from "../program/compile-hooks.ts";
import type { Op } from "../program/ops.ts";
import type { Program } from "../program/program.ts";
import { type Context, tellContainer } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { StateRecord } from "./record.ts";
import { hookDirectory, leaveOps, removalInput } from "./removal.ts";
import { containerStatus, waitsOn } from "./state.ts";
import { containerDirectory, EXEC_FIFO, START_SOCKET } from "./store.ts";
import { whenCreated } from "./when-created.ts";

const SIGKILL = 9;

/** @throws TsruncError `not-found`, `state`, `config` for a container without a process */
export function startContainer(context: Context, id: string): number | Promise<number> {
  const root = path.resolve(context.root);
  return whenCreated(root, id, (record) => start(context, root, record));
}

function start(context: Context, root: string, record: StateRecord): number | Promise<number> {
  const { id } = record;
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (status !== "created") {
    throw new TsruncError("state", `cannot start a container that is not in the created state: \`${id}\` is ${status}`);
  }
  if (record.noProcess === true) {
    throw new TsruncError("config", `cannot start \`${id}\`: its config has no process`, { at: "/process" });
  }
  if (waitsOn(root, id) === EXEC_FIFO) {
    throw new TsruncError("state", `cannot start \`${id}\`: an earlier version of tsrunc has created it`, {
      hint: `\`delete --force ${id}\` removes it; then create it again`,
    });
  }
  const directory = containerDirectory(root, id);
  const input = removalInput(root, record);
  const options = { ...launchOptions(context, id), initLabels: record.tail, ...hookDirectory(input) };
  return context.perform(startProgram(record, directory, input), options);
}

function startProgram(record: StateRecord, directory: string, input: RemovalInput): Program {
  const socket = path.join(directory, START_SOCKET);
  const ofInit = hooksOfInit(record);
  const forbidden = record.tail?.forbidden ?? false;
  const launcher: Op[] = [
    { op: "lock", path: directory },
    { op: "release", path: socket, pid: record.pid, start: record.startTime, ...ofInit, forbidden },
    { op: "unlink", path: socket, ignore: ["ENOENT", "EROFS"] },
  ];
  const notifySocket = process.env.NOTIFY_SOCKET;
  const notify = path.join(directory, "notify");
  if (notifySocket !== undefined && fs.existsSync(notify)) {
    launcher.splice(1, 0, { op: "notifyListen", slot: SLOT_NOTIFY, path: path.join(notify, "notify.sock") });
    launcher.push({ op: "notifyForward", slot: SLOT_NOTIFY, socket: notifySocket, pid: record.pid, background: false });
  }
  const cleanupFrom = launcher.length;
  const hooks = compileHooks(input, "poststart", "running").map((op) => withPid(op, record.pid));
  const cleanup: Op[] =
    hooks.length === 0 && ofInit.end === ofInit.first
      ? []
      : [
          {
            op: "signal",
            pid: record.pid,
            start: record.startTime,
            signal: SIGKILL,
            waitMs: 10_000,
            ignore: ["ESRCH"],
          },
          ...removalOps(input, leaveOps(record)),
        ];
  return { launcher: [...launcher, ...hooks], init: [], cleanup, cleanupFrom, keepFds: 0 };
}

/** Init's startContainer hooks: where one fails the container ends as where one of poststart does (runtime.md, "Lifecycle"). */
function hooksOfInit({ tail }: StateRecord): { readonly first: number; readonly end: number } {
  const isHook = ([, , at]: Label) => at?.startsWith("/hooks/startContainer/") === true;
  const found = tail?.labels.findIndex(isHook) ?? -1;
  if (tail === undefined || found < 0) return { first: 0, end: 0 };
  return { first: tail.first + found, end: tail.first + tail.labels.findLastIndex(isHook) + 1 };
}

/** The marker stands for a child of the launcher; here the pid is known. */
function withPid(op: Op, pid: number): Op {
  return op.op === "spawn" ? { ...op, input: op.input.replace("\u0001p", `${pid}`) } : op;
}
