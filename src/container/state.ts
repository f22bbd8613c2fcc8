/** The state of a container: what it is doing, and the state JSON of the runtime-spec (runtime.md, "State"). */

import * as fs from "node:fs";
import * as path from "node:path";
import { isFrozen } from "../cgroups/freeze.ts";
import { isAlive } from "./proc.ts";
import type { StateRecord } from "./record.ts";
import { containerDirectory, EXEC_FIFO, loadState, START_SOCKET } from "./store.ts";

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** The state JSON, with what runc adds to it: rootfs, created, owner. */
export interface OciState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when stopped. */
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** What the container is doing now. */
export function containerStatus(root: string, record: StateRecord): Status {
  if (isBeingCreated(record)) return "creating";
  if (!isAlive(record)) return "stopped";
  // Also before start: what is paused cannot be started.
  if (record.cgroup !== undefined && isFrozen(record.cgroup)) return "paused";
  return waitsOn(root, record.id) !== undefined && isInit(record) ? "created" : "running";
}

/** The name of the file by which `start` reaches init: the FIFO is that of a container which an earlier version has made. */
export function waitsOn(root: string, id: string): typeof START_SOCKET | typeof EXEC_FIFO | undefined {
  const directory = containerDirectory(root, id);
  return ([START_SOCKET, EXEC_FIFO] as const).find((name) => fs.existsSync(path.join(directory, name)));
}

export function isBeingCreated({ creator }: StateRecord): boolean {
  return creator !== undefined && isAlive(creator);
}

/** A start that was killed may have left the socket behind; the process tells that it is the user's program by now. */
function isInit({ pid }: StateRecord): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, "latin1") === "tsrunc-init\n";
  } catch {
    return false;
  }
}

export function ociState(record: StateRecord, status: Status): OciState {
  return {
    ociVersion: record.ociVersion,
    id: record.id,
    pid: status === "stopped" ? 0 : record.pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    ...(record.annotations === undefined ? {} : { annotations: record.annotations }),
    owner: record.owner,
  };
}

/** The state of one container. @throws TsruncError `not-found`, `usage`, `io` */
export function readState(root: string, id: string): OciState {
  const record = loadState(root, id);
  return ociState(record, containerStatus(root, record));
}
