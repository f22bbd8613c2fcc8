/**
 * Removing a directory with all in it, by descriptors: root may remove what is in a directory that somebody else may
 * write to, who puts a link in the place of a directory meanwhile. No link is followed and no other mount entered.
 */
import * as fs from "node:fs";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;

/**
 * Removes what is called `name` in a directory, whatever it is. What is not there, or goes meanwhile, is as wanted.
 *
 * @param last a file in it that goes after everything else, so that what is left is known for what it was
 * @throws the error of the first call that fails
 */
export function removeTree(parent: string, name: string, last?: string): void {
  const directory = open(parent, O_RDONLY | O_DIRECTORY);
  if (directory === undefined) return;
  try {
    removeEntry(directory, name, mountOf(directory), last);
  } finally {
    fs.closeSync(directory);
  }
}

function removeEntry(parent: number, name: string, mount: string, last?: string): void {
  const path = `/proc/self/fd/${parent}/${name}`;
  try {
    fs.unlinkSync(path);
    return;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return;
    if (code !== "EISDIR") throw error;
  }
  const directory = open(path, FLAGS);
  if (directory === undefined) return;
  try {
    // A mount is no part of what it is mounted on: the attempt to remove it says EBUSY.
    if (mountOf(directory) === mount) empty(directory, mount, last);
  } finally {
    fs.closeSync(directory);
  }
  try {
    fs.rmdirSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function empty(directory: number, mount: string, last: string | undefined): void {
  for (const name of fs.readdirSync(`/proc/self/fd/${directory}`))
    if (name !== last) removeEntry(directory, name, mount);
  if (last !== undefined) removeEntry(directory, last, mount);
}

/** Undefined where it is gone. */
function open(path: string, flags: number): number | undefined {
  try {
    return fs.openSync(path, flags);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The mount's number, of which each bind mount has its own (proc_pid_fdinfo(5)). */
function mountOf(fd: number): string {
  return /^mnt_id:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "";
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
