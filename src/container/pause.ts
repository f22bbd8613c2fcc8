/** pause and resume: verbs that the runtime-spec does not have, as runc does them. */
import * as path from "node:path";
import { freezePlan } from "../cgroups/freeze.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Program } from "../program/program.ts";
import { type Context, tellContainer } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { StateRecord } from "./record.ts";
import { containerStatus } from "./state.ts";
import { containerDirectory, loadState } from "./store.ts";
import { whenCreated } from "./when-created.ts";

/** Suspends all processes of a container. @throws TsruncError `not-found`, `state`, `unsupported` (no freezer) */
export function pauseContainer(context: Context, id: string): number | Promise<number> {
  const root = path.resolve(context.root);
  return whenCreated(root, id, (record) => {
    const status = containerStatus(root, record);
    tellContainer(context, record, status);
    if (status !== "created" && status !== "running") {
      throw new TsruncError("state", `container not running: \`${id}\` is ${status}`);
    }
    return toggle(context, root, record, "frozen");
  });
}

/** Lets a paused container continue. @throws TsruncError `not-found`, `state` */
export function resumeContainer(context: Context, id: string): number | Promise<number> {
  const root = path.resolve(context.root);
  const record = loadState(root, id);
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (status !== "paused") throw new TsruncError("state", `container not paused: \`${id}\` is ${status}`);
  return toggle(context, root, record, "thawed");
}

function toggle(
  context: Context,
  root: string,
  record: StateRecord,
  state: "frozen" | "thawed",
): number | Promise<number> {
  const directory = containerDirectory(root, record.id);
  return context.perform(freezeProgram(record, directory, state), launchOptions(context, record.id));
}

/** The program of both verbs. A freeze that fails is taken back: what is half frozen cannot be used. */
export function freezeProgram(record: StateRecord, directory: string, state: "frozen" | "thawed"): Program {
  const cgroup = record.cgroup ?? { version: "none", manager: "disabled", paths: {} };
  const lock: Op = { op: "lock", path: directory };
  const launcher = [lock, ...freezePlan(cgroup, state)];
  const cleanup = state === "frozen" ? freezePlan(cgroup, "thawed") : [];
  return { launcher, init: [], cleanup, cleanupFrom: 1, keepFds: 0 };
}
