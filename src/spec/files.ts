/** Reading files with errors in tsrunc's words. */
import { readFileSync } from "node:fs";
import { TsruncError } from "../errors.ts";

/** `ENOENT`; "EIO" for something that is no system error. */
export function errnoOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "EIO";
}

/** The text that goes with it, as Node and Bun put it into the message: `no such file or directory`. */
export function errnoText(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return /^E[A-Z0-9]+: (.*?)(?:, \w+.*)?$/s.exec(message)?.[1] ?? message;
}

/** @throws TsruncError "io" or, with `code`, that one. */
export function readText(file: string, code: "config" | "io" = "io", hint?: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const errno = errnoOf(cause);
    const message = `open \`${file}\`: ${errno} (${errnoText(cause)})`;
    throw new TsruncError(code, message, { errno, cause, hint: errno === "ENOENT" ? hint : undefined });
  }
}
