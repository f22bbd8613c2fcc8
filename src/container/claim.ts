/** Taking an id for a new container, also from a create that died. */

import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { removeTree } from "../sys/remove-tree.ts";
import type { StateRecord } from "./record.ts";
import {
  CONFIG_FILE,
  containerDirectory,
  existsDamaged,
  findState,
  ioError,
  isStale,
  recordIn,
  refuseForeign,
  STATE_FILE,
  stateText,
  TEMPORARY,
} from "./store.ts";

export interface Claim {
  readonly root: string;
  /** The first record: pid 0, and `creator` set. */
  readonly record: StateRecord;
  /** Text of the bundle's config.json. */
  readonly config: string;
  /** The record of a create that died, where the id is still taken by one: the claim is for nothing else in its place. */
  readonly stale?: StateRecord | undefined;
}

/**
 * Makes the container's directory, taking over a stale one.
 *
 * @returns its path
 * @throws TsruncError `exists` when there is a container with that id, `usage`, `io`
 */
export function claimContainer(claim: Claim): string {
  const directory = containerDirectory(claim.root, claim.record.id);
  const temporary = makeTemporary(claim.root);
  try {
    fs.writeFileSync(path.join(temporary, STATE_FILE), stateText(claim.record), { mode: 0o600 });
    fs.writeFileSync(path.join(temporary, CONFIG_FILE), claim.config, { mode: 0o600 });
    renameOver(temporary, directory, claim);
  } catch (error) {
    removeTree(path.dirname(temporary), path.basename(temporary));
    throw error instanceof TsruncError ? error : ioError("create", directory, error);
  }
  return directory;
}

/** A directory that {@link sweepRoot} can tell to be ours and whether its maker lives. */
function makeTemporary(root: string): string {
  const prefix = path.join(root, `${TEMPORARY}${process.pid}.`);
  try {
    return fs.mkdtempSync(prefix);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw ioError("create a directory in", root, error);
  }
  makeRoot(root);
  try {
    return fs.mkdtempSync(prefix);
  } catch (error) {
    throw ioError("create a directory in", root, error);
  }
}

function renameOver(temporary: string, directory: string, claim: Claim): void {
  for (let attempt = 0; ; attempt++) {
    try {
      // Fails on a directory that has entries, and replaces an empty one (rename(2)).
      fs.renameSync(temporary, directory);
      return;
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code;
      if ((errno !== "ENOTEMPTY" && errno !== "EEXIST") || attempt === 3) throw error;
      takeAway(directory, temporary, claim);
    }
  }
}

/** Moves a stale directory aside and removes it. @throws TsruncError `exists` unless it is stale */
function takeAway(directory: string, temporary: string, claim: Claim): void {
  const { id } = claim.record;
  const exists = new TsruncError("exists", `container with given ID already exists: \`${id}\``);
  const found = findState(claim.root, id);
  if (found.kind === "damaged") throw existsDamaged(found.error, id);
  if (found.kind === "valid" && !isStale(found.record)) throw exists;
  if (found.kind === "absent") refuseForeign(directory);
  const aside = `${temporary}.stale`;
  try {
    fs.renameSync(directory, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  // Between the look and the move another create may have done the same and put its own in this place.
  const record = recordIn(aside, id);
  if (!isStale(record) || !isSame(record, claim.stale)) {
    fs.renameSync(aside, directory);
    throw exists;
  }
  removeTree(path.dirname(aside), path.basename(aside));
}

/** Only what the caller knows of is taken away by it. Without a valid record there is nothing to know. */
function isSame(found: StateRecord | undefined, known: StateRecord | undefined): boolean {
  return found === undefined || (known !== undefined && stateText(found) === stateText(known));
}

/** Makes the root directory, for its owner only. @throws TsruncError `io` */
function makeRoot(root: string): void {
  try {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw ioError("create root directory", root, error);
  }
}
