import { errnoName, errnoText } from "../errno.ts";
import { host, type Word } from "./host.ts";

/** From here on relative paths count; openat(2). */
export const AT_FDCWD = -100;

/** A system call by name: the result, or -errno. */
export function attempt(name: string, ...words: readonly Word[]): number {
  return host.syscall(host.calls[name] ?? -1, ...words);
}

/** What Node calls the system calls that have younger names here. */
const NODE_NAMES: Readonly<Record<string, string>> = {
  openat: "open",
  pread64: "read",
  faccessat: "access",
  fchownat: "chown",
  unlinkat: "unlink",
  readlinkat: "readlink",
};

/** The same, but failing with an error as Node's. `object` is the path for the message. */
export function call(name: string, object: string | undefined, ...words: readonly Word[]): number {
  const result = attempt(name, ...words);
  if (result < 0) throw failure(-result, name, object);
  return result;
}

/** An error as Node's file system functions throw it. `dest` is the second path. */
export function failure(errno: number, name: string, object?: string, dest?: string): Error {
  const code = errnoName(errno);
  const syscall = NODE_NAMES[name] ?? name;
  const path = object === undefined ? "" : ` '${object}'${dest === undefined ? "" : ` -> '${dest}'`}`;
  const error = new Error(`${code}: ${errnoText(code)}, ${syscall}${path}`);
  return Object.assign(error, { errno: -errno, code, syscall }, object === undefined ? {} : { path: object });
}

/** @throws what Node throws for a path that no file can have */
export function checked(path: unknown): string {
  if (typeof path === "string" && !path.includes("\0")) return path;
  const message = "the argument 'path' must be a string without null bytes";
  throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}

/** `struct timespec` with 64-bit seconds. */
export function timespec(milliseconds: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.round((milliseconds - seconds * 1000) * 1e6);
  return new Uint8Array(new BigInt64Array([BigInt(seconds), BigInt(nanoseconds)]).buffer);
}
