/** delete (runtime.md, "Delete"). */
import * as path from "node:path";
import { TsruncError } from "../errors.ts";
import { removalOps } from "../program/compile-delete.ts";
import type { Op } from "../program/ops.ts";
import { type Context, tellContainer } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { DeleteOptions } from "./options.ts";
import { killOp, leaveOps, removalInput, thawOps } from "./removal.ts";
import { containerStatus, type Status } from "./state.ts";
import {
  containerDirectory,
  EXEC_FIFO,
  LOCK_FILE,
  loadState,
  recordIn,
  removeContainer,
  type StateRecord,
  sweepRoot,
} from "./store.ts";

/** @returns the exit status where nothing had to be executed. @throws TsruncError `not-found`, `state` */
export function deleteContainer(context: Context, { id, force }: DeleteOptions): number | Promise<number> {
  const root = path.resolve(context.root);
  const directory = containerDirectory(root, id);
  if (force) sweepRoot(root);
  if (force && recordIn(directory, id) === undefined) {
    removeContainer(root, id); // nothing there, or the rest of a create that died before it wrote its state
    return 0;
  }
  const record = loadState(root, id);
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (!force && status !== "stopped" && status !== "created") {
    throw new TsruncError("state", `cannot delete container \`${id}\` that is not stopped: it is ${status}`, {
      hint: "stop it with `kill`, or use `--force`",
    });
  }
  const launcher: Op[] = [
    { op: "lock", path: path.join(directory, LOCK_FILE) },
    ...killOps(record, status, directory),
    ...removalOps(removalInput(root, record), leaveOps(record)),
  ];
  return context.perform(
    { launcher, init: [], cleanup: [], cleanupFrom: launcher.length, keepFds: 0 },
    launchOptions(context, directory),
  );
}

function killOps(record: StateRecord, status: Status, directory: string): Op[] {
  switch (status) {
    case "stopped":
      return [];
    case "created":
      // Start takes the FIFO away under the same lock: if it has, the container is running and not to be deleted.
      return [{ op: "unlink", path: path.join(directory, EXEC_FIFO), ignore: [] }, killOp(record)];
    case "creating":
      // Its first process, if there is one already, goes with its cgroup or because its creator is gone.
      return record.creator === undefined ? [] : [killOp(record.creator)];
    case "running":
    case "paused":
      // On v1 a frozen process takes no signal, SIGKILL neither.
      return [...thawOps(record), killOp(record)];
  }
}
