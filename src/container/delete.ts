/** delete (runtime.md, "Delete"). */
import * as path from "node:path";
import { cgroupRecord } from "../cgroups/plan.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import { removalOps } from "../program/compile-delete.ts";
import type { Op } from "../program/ops.ts";
import { parseSpec } from "../spec/load.ts";
import { cgroupInput } from "./cgroup-input.ts";
import { type Context, tellContainer } from "./context.ts";
import { readHostFacts } from "./host-facts.ts";
import { launchOptions } from "./launch-options.ts";
import type { DeleteOptions } from "./options.ts";
import type { StateRecord } from "./record.ts";
import { forcedRemovalInput, hookDirectory, killOp, leaveOps, noForkOps, removalInput, thawOps } from "./removal.ts";
import { containerStatus, type Status, waitsOn } from "./state.ts";
import {
  CONFIG_FILE,
  containerDirectory,
  findState,
  loadConfigText,
  refuseForeign,
  removeContainer,
  START_SOCKET,
  sweepRoot,
} from "./store.ts";
import { PATIENCE_MS, whenCreated } from "./when-created.ts";

/** @returns the exit status where nothing had to be executed. @throws TsruncError `not-found`, `state` */
export function deleteContainer(context: Context, { id, force }: DeleteOptions): number | Promise<number> {
  const root = path.resolve(context.root);
  if (force) sweepRoot(root);
  if (!force) return whenCreated(root, id, (record) => remove(context, root, record, false), PATIENCE_MS);
  const record = forcedRecord(context, root, id);
  return record === undefined ? 0 : remove(context, root, record, true);
}

function remove(context: Context, root: string, record: StateRecord, force: boolean): number | Promise<number> {
  const { id } = record;
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (!force && status !== "stopped" && status !== "created") {
    throw new TsruncError("state", `cannot delete container \`${id}\` that is not stopped: it is ${status}`, {
      hint: "stop it with `kill`, or use `--force`",
    });
  }
  const directory = containerDirectory(root, id);
  const input = force ? forcedRemovalInput(root, record, context.log.warn) : removalInput(root, record);
  const launcher: Op[] = [
    { op: "lock", path: directory },
    ...killOps(root, record, status),
    ...removalOps(input, leaveOps(record)),
  ];
  return context.perform(
    { launcher, init: [], cleanup: [], cleanupFrom: launcher.length, keepFds: 0 },
    { ...launchOptions(context, id), ...hookDirectory(input), leaves: true },
  );
}

/**
 * What is known of a container that has to go whatever becomes of it.
 *
 * @returns undefined where there was nothing but a directory, or the rest of a create that died before it wrote its state
 */
function forcedRecord(context: Context, root: string, id: string): StateRecord | undefined {
  const found = findState(root, id);
  if (found.kind === "valid") return found.record;
  if (found.kind === "absent") {
    removeContainer(root, id);
    return undefined;
  }
  refuseForeign(containerDirectory(root, id));
  context.log.warn(`${found.error.message}; what can still be told to be the container's is removed`);
  const { record } = found;
  const cgroup = record.cgroup ?? cgroupOfConfig(context, root, id);
  return cgroup === undefined ? record : { ...record, cgroup };
}

/** Where a container with that config would have its processes. */
function cgroupOfConfig(context: Context, root: string, id: string): CgroupRecord | undefined {
  try {
    const { spec } = parseSpec(loadConfigText(root, id), CONFIG_FILE);
    const facts = readHostFacts(context, spec);
    return cgroupRecord(cgroupInput(context, id, spec, facts), facts.cgroup);
  } catch {
    return undefined;
  }
}

function killOps(root: string, record: StateRecord, status: Status): Op[] {
  switch (status) {
    case "stopped":
      return [];
    case "created":
      // Start takes the socket away under the same lock: if it has, the container is running and not to be deleted.
      return [{ op: "unlink", path: startFile(root, record), ignore: ["EROFS"] }, killOp(record)];
    case "creating":
      // Its first process, if there is one already, goes with its cgroup or because its creator is gone.
      if (record.creator?.resident === true) return record.pid === 0 ? [] : [killOp(record)];
      return record.creator === undefined ? [] : [killOp(record.creator)];
    case "running":
    case "paused":
      // On v1 a frozen process takes no signal, SIGKILL neither.
      return [...noForkOps(record), ...thawOps(record), killOp(record)];
  }
}

function startFile(root: string, { id }: StateRecord): string {
  return path.join(containerDirectory(root, id), waitsOn(root, id) ?? START_SOCKET);
}
