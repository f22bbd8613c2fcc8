/** Turns whatever was thrown into the one line that the user reads. */

import { formatError, oneLine, TsruncError } from "../errors.ts";
import { UsageError } from "./parse.ts";

/** Never more than one line, never a stack trace. */
export function describeError(error: unknown): string {
  if (error instanceof TsruncError || error instanceof UsageError) return formatError(error);
  if (isSystemError(error)) return describeSystemError(error);
  return `internal error: ${formatError(error)}`;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

/** ``open `/x/config.json`: no such file or directory`` from `ENOENT: no such file or directory, open '/x/…'`. */
function describeSystemError(error: NodeJS.ErrnoException): string {
  const object = error.path === undefined ? "" : ` \`${error.path}\``;
  const text = /^\w+: ([^,]+)/.exec(error.message)?.[1] ?? "failed";
  return formatError(new Error(`${error.syscall ?? "call"}${object}: ${text} (${error.code})`));
}

/** The stack in one line, for `--debug`. */
export function stackLine(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return oneLine(stack ?? String(error), " <- ");
}
