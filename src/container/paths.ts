/** Paths that the caller gives, relative to a working directory that may be gone: engines delete bundles they are in. */
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { hostInfo } from "../host.ts";

/**
 * The absolute path. The executable is in `/` where its working directory was deleted, so that a relative one would name
 * something else.
 *
 * @param what The flag or argument it came from, for the message.
 * @throws TsruncError `usage` for a relative path without a working directory
 */
export function absolutePath(given: string, what: string): string {
  if (!given.startsWith("/") && !hasWorkingDirectory()) {
    throw new TsruncError("usage", `${what}: \`${given}\` is relative, and the working directory was deleted`, {
      hint: "give an absolute path",
    });
  }
  return path.resolve(given);
}

export function maybeAbsolute(given: string | undefined, what: string): string | undefined {
  return given === undefined ? undefined : absolutePath(given, what);
}

function hasWorkingDirectory(): boolean {
  if (hostInfo().cwdDeleted) return false;
  try {
    return process.cwd() !== "";
  } catch {
    return false;
  }
}
