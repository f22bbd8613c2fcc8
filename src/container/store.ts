/**
 * Where the state of containers is kept: `<root>/<id>/` with `state.json`, a copy of the bundle's `config.json`, and
 * `start.sock` until the container is started.
 *
 * There is no moment at which a directory named by an id lacks its state.json: it is made under a name that
 * no id can have and renamed. So a directory without a valid one is not of our making, or damaged, and may be taken over.
 */

import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { PID, START } from "../program/ops.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";
import { removeTree } from "../sys/remove-tree.ts";
import { KeptFileError, readKeptFile } from "./kept-file.ts";
import { isAlive } from "./proc.ts";
import { believable, recordProblems, type StateRecord } from "./record.ts";

export const STATE_FILE = "state.json";
export const CONFIG_FILE = "config.json";
export const START_SOCKET = "start.sock";
/** Where the container's notify socket is. */
const NOTIFY_DIRECTORY = "notify";
/** What init waited on in earlier versions, in place of the socket. */
export const EXEC_FIFO = "exec.fifo";
/** Of earlier versions too: a lock, and programs on their way to tsrunc-init. */
const FORMER_FILES = ["lock", "program", EXEC_FIFO];
const OWN_FILES: readonly string[] = [STATE_FILE, CONFIG_FILE, START_SOCKET, NOTIFY_DIRECTORY, ...FORMER_FILES];
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

/** What a container's directory tells of it. */
export type Found =
  | { readonly kind: "valid"; readonly record: StateRecord }
  /** `record`: what can be believed of it. */
  | { readonly kind: "damaged"; readonly record: StateRecord; readonly error: TsruncError }
  /** There is no state.json, or an empty one, as a host leaves them that lost its power. */
  | { readonly kind: "absent"; readonly error: TsruncError };

/** @throws TsruncError `usage` (id), `io` for what cannot be read though it is there */
export function findState(root: string, id: string): Found {
  return stateIn(containerDirectory(root, id), id);
}

function stateIn(directory: string, id: string): Found {
  let text: string;
  try {
    text = readKeptFile(path.join(directory, STATE_FILE));
  } catch (error) {
    if (!(error instanceof KeptFileError)) return { kind: "absent", error: readFailure(error, id, directory) };
    return { kind: "damaged", record: believable(undefined, id), error: damaged(id, directory, error.message) };
  }
  const value = jsonOf(text);
  const problems = value === undefined ? [] : recordProblems(value, id);
  if (value !== undefined && problems.length === 0) return { kind: "valid", record: value as StateRecord };
  if (text === "") return { kind: "absent", error: damaged(id, directory, "it is empty") };
  const told = problems.map(({ field, message }) => `/${field}: ${message}`).join("; ");
  const error = damaged(id, directory, value === undefined ? "it is no JSON" : told);
  return { kind: "damaged", record: believable(value, id), error };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function damaged(id: string, directory: string, why: string): TsruncError {
  return new TsruncError("io", `container \`${id}\`: \`${directory}/${STATE_FILE}\` has no valid state: ${why}`, {
    hint: `\`delete --force ${id}\` removes the container, as far as it is known`,
  });
}

/** For `create`: nobody knows whether that container runs. */
export function existsDamaged({ message, hint }: TsruncError, id: string): TsruncError {
  return new TsruncError("exists", `container with given ID already exists: \`${id}\`: ${message}`, { hint });
}

/** A container's state.json. @throws TsruncError `not-found`, `usage`, `io` also for one that is damaged */
export function loadState(root: string, id: string): StateRecord {
  const found = findState(root, id);
  if (found.kind === "valid") return found.record;
  throw found.error;
}

/** The text of config.json as it was when the container was created. @throws TsruncError `not-found`, `usage`, `io` */
export function loadConfigText(root: string, id: string): string {
  const directory = containerDirectory(root, id);
  try {
    return readKeptFile(path.join(directory, CONFIG_FILE));
  } catch (error) {
    throw configFailure(error, directory);
  }
}

function configFailure(error: unknown, directory: string): TsruncError {
  const file = path.join(directory, CONFIG_FILE);
  if (error instanceof KeptFileError) return new TsruncError("io", `\`${file}\` cannot be read: ${error.message}`);
  return ioError("open", file, error);
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
  const found = stateIn(directory, id);
  return found.kind === "valid" ? found.record : undefined;
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
    removeTree(root, id, STATE_FILE);
  } catch (error) {
    throw ioError("remove", directory, error);
  }
}

/** A directory without a valid record is only ours to remove if all in it is: `--root /etc delete -f ssh` must do nothing. */
export function refuseForeign(directory: string): void {
  let names: string[];
  try {
    if (!fs.lstatSync(directory).isDirectory()) {
      throw new TsruncError("exists", `\`${directory}\` is not the state of a container: it is no directory`);
    }
    names = fs.readdirSync(directory);
  } catch (error) {
    if (error instanceof TsruncError) throw error;
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
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`)) removeTree(root, name);
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
