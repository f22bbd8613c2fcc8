/**
 * Where the state of containers is kept: `<root>/<id>/` with `state.json`, a copy of the bundle's `config.json`, and
 * `exec.fifo` until the container is started.
 *
 * There is no moment at which a directory named by an id lacks its state.json: it is made under a name that
 * no id can have and renamed. So a directory without a valid one is not of our making, or damaged, and may be taken over.
 */

import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { Label } from "../init/report.ts";
import { PID, START } from "../program/ops.ts";
import type { ResctrlRecord } from "../resctrl/types.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";
import { isAlive, type ProcessRef } from "./proc.ts";

/** The content of state.json. `pid` and `startTime` stay first: {@link stateTemplate} depends on it. */
export interface StateRecord extends ProcessRef {
  /** The `ociVersion` of config.json. */
  readonly ociVersion: string;
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  /** Absolute path. */
  readonly rootfs: string;
  /** RFC 3339 with fractions of a second. */
  readonly created: string;
  /** Name of the user who created it. */
  readonly owner: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Present while the container is being created: who does it. Dead with this still present: the create died. */
  readonly creator?: ProcessRef;
  readonly cgroup?: CgroupRecord;
  readonly resctrl?: ResctrlRecord;
  /** What init does after start let it through, from op `first` on: for the message of a start that fails. */
  readonly tail?: { readonly first: number; readonly labels: readonly Label[] };
  /** The config has none: it cannot be started. */
  readonly noProcess?: boolean;
  /** `--no-new-keyring` holds for exec too. */
  readonly noNewKeyring?: boolean;
  /** Destinations of mounts below `rootfs` that were made in the host's mount namespace. */
  readonly hostMounts?: readonly string[];
}

export const STATE_FILE = "state.json";
export const CONFIG_FILE = "config.json";
export const EXEC_FIFO = "exec.fifo";
export const LOCK_FILE = "lock";
/** With the pid of its maker behind TEMPORARY: a program on its way to tsrunc-init. */
/** Where the container's notify socket is. */
const NOTIFY_DIRECTORY = "notify";
const PROGRAM_FILE = "program";
const OWN_FILES: readonly string[] = [STATE_FILE, CONFIG_FILE, EXEC_FIFO, LOCK_FILE, PROGRAM_FILE, NOTIFY_DIRECTORY];
/** In front of names in the root directory that are not containers; no id contains it. */
export const TEMPORARY = "~";

/** @throws TsruncError `usage`: ids are `[A-Za-z0-9_+.-]`, 1 to 1024 bytes, and neither `.` nor `..`. */
export function validateId(id: string): void {
  if (isValidId(id)) return;
  const shown = JSON.stringify(id.length > 64 ? `${id.slice(0, 64)}…` : id).slice(1, -1);
  throw new TsruncError("usage", `invalid container id \`${shown}\``, {
    hint: "an id is 1 to 1024 of the characters A-Z a-z 0-9 _ + - . and is not . or ..",
  });
}

export function isValidId(id: string): boolean {
  return id.length <= 1024 && id !== "." && id !== ".." && /^[A-Za-z0-9_+.-]+$/.test(id);
}

/** @throws TsruncError `usage` for an invalid id. */
export function containerDirectory(root: string, id: string): string {
  validateId(id);
  return path.join(root, id);
}

/** A container's state.json. @throws TsruncError `not-found`, `usage` (id), `io` */
export function loadState(root: string, id: string): StateRecord {
  const directory = containerDirectory(root, id);
  let text: string;
  try {
    text = fs.readFileSync(path.join(directory, STATE_FILE), "utf8");
  } catch (error) {
    throw readFailure(error, id, directory);
  }
  const record = parseRecord(text, id);
  if (record === undefined) {
    throw new TsruncError("not-found", `container does not exist: \`${id}\`: \`${directory}\` has no valid state`, {
      hint: `\`delete --force ${id}\` removes it`,
    });
  }
  return record;
}

/** The text of config.json as it was when the container was created. @throws TsruncError `not-found`, `usage`, `io` */
export function loadConfigText(root: string, id: string): string {
  const directory = containerDirectory(root, id);
  try {
    return fs.readFileSync(path.join(directory, CONFIG_FILE), "utf8");
  } catch (error) {
    throw readFailure(error, id, directory);
  }
}

function readFailure(error: unknown, id: string, directory: string): TsruncError {
  const errno = errnoOf(error);
  if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ENAMETOOLONG") {
    return new TsruncError("not-found", `container does not exist: \`${id}\``, { errno });
  }
  return new TsruncError("io", `read the state of \`${id}\` in \`${directory}\`: ${errnoPhrase(errno)}`, {
    errno,
    cause: error,
  });
}

function parseRecord(text: string, id: string): StateRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Partial<StateRecord>;
  const valid = record.id === id && typeof record.pid === "number" && typeof record.startTime === "number";
  return valid && typeof record.bundle === "string" ? (value as StateRecord) : undefined;
}

/** Replaces a container's state.json in one step. @throws TsruncError `io` */
export function saveState(root: string, record: StateRecord): void {
  const file = path.join(containerDirectory(root, record.id), STATE_FILE);
  const temporary = `${file}${TEMPORARY}${process.pid}`;
  try {
    fs.writeFileSync(temporary, stateText(record), { mode: 0o600 });
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw ioError("write", file, error);
  }
}

export function stateText(record: StateRecord): string {
  const { pid, startTime, ...rest } = record;
  return JSON.stringify({ pid, startTime, ...rest });
}

/** The text of state.json with the markers that tsrunc-init replaces by the pid and start time of the container. */
export function stateTemplate(record: StateRecord): string {
  // The first two keys are ours, and JSON.stringify escapes control characters everywhere else.
  return stateText({ ...record, pid: 0, startTime: 0 }).replace(
    '{"pid":0,"startTime":0',
    `{"pid":${PID},"startTime":${START}`,
  );
}

/** The record in a directory, undefined when there is no valid one. */
export function recordIn(directory: string, id: string): StateRecord | undefined {
  try {
    return parseRecord(fs.readFileSync(path.join(directory, STATE_FILE), "utf8"), id);
  } catch {
    return undefined;
  }
}

/** Whether the create that made this record died before it was done. */
export function isStale(record: StateRecord | undefined): boolean {
  return record === undefined || (record.creator !== undefined && !isAlive(record.creator));
}

/**
 * Removes the container's directory; that it is not there is no error.
 *
 * @throws TsruncError `io`, `usage` (id), `exists` when it holds something that is not ours
 */
export function removeContainer(root: string, id: string): void {
  const directory = containerDirectory(root, id);
  if (recordIn(directory, id) === undefined) refuseForeign(directory);
  try {
    fs.rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    throw ioError("remove", directory, error);
  }
}

/** A directory without a valid record is only ours to remove if all in it is: `--root /etc delete -f ssh` must do nothing. */
export function refuseForeign(directory: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw ioError("read", directory, error);
  }
  const foreign = names.find(
    (name) => !OWN_FILES.includes(name.split(TEMPORARY, 1)[0] ?? "") && !name.startsWith(`${STATE_FILE}.tmp`),
  );
  if (foreign !== undefined) {
    throw new TsruncError("exists", `\`${directory}\` is not the state of a container: it holds \`${foreign}\``);
  }
}

/** Removes what creates that were killed between two steps have left in the root directory. */
export function sweepRoot(root: string): void {
  for (const name of entriesOf(root) ?? []) {
    // The name in full, as mkdtemp(3) made it: what is somebody else's in a root that was misnamed stays.
    const pid = /^~(\d+)\.\w+(?:\.stale)?$/.exec(name)?.[1];
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`))
      fs.rmSync(path.join(root, name), { recursive: true, force: true });
  }
}

/** Ids of all containers in a root directory, sorted; undefined when the directory does not exist. @throws TsruncError `io` */
export function containerIds(root: string): string[] | undefined {
  return entriesOf(root)?.filter(isValidId).sort();
}

function entriesOf(root: string): string[] | undefined {
  try {
    const entries = fs.readdirSync(root, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw ioError("read root directory", root, error);
  }
}

export function ioError(action: string, file: string, error: unknown): TsruncError {
  const errno = errnoOf(error);
  const hint = errno === "EACCES" || errno === "EPERM" ? privilegeHint() : undefined;
  return new TsruncError("io", `${action} \`${file}\`: ${errnoPhrase(errno)}`, { errno, cause: error, hint });
}

/** The default root is root's; another is only chosen where there is a directory for it. */
function privilegeHint(): string | undefined {
  return process.geteuid?.() === 0
    ? undefined
    : "without root, set `XDG_RUNTIME_DIR` or name a directory with `--root`";
}
