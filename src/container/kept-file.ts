/** Reading what is kept of a container. Whoever may write there may have put anything in its place. */
import * as fs from "node:fs";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** Larger than what any config.json leads to, smaller than what a process of ours cannot hold. */
const LARGEST = 64 << 20;

/** Why a file cannot be what it should be, though it is there. */
export class KeptFileError extends Error {}

/**
 * The text of a regular file. A FIFO is not waited for, and what is too large is not read.
 *
 * @throws KeptFileError; the error of the file system for what cannot be opened
 */
export function readKeptFile(path: string): string {
  const fd = open(path);
  try {
    const stats = fs.fstatSync(fd);
    if (!stats.isFile()) throw new KeptFileError("it is no regular file");
    if (stats.size > LARGEST) throw new KeptFileError(`it has ${stats.size} bytes`);
    return fs.readFileSync(fd, "utf8");
  } finally {
    fs.closeSync(fd);
  }
}

function open(path: string): number {
  try {
    return fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") throw new KeptFileError("it is a symbolic link");
    if (code === "ENXIO" || code === "ENODEV") throw new KeptFileError("it is no regular file");
    throw error;
  }
}
