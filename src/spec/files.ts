/** Reading files with errors in tsrunc's words. */
import { readFileSync } from "node:fs";
import { TsruncError } from "../errors.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";

/** @throws TsruncError "io" or, with `code`, that one. */
export function readText(file: string, code: "config" | "io" = "io", hint?: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const errno = errnoOf(cause);
    const message = `open \`${file}\`: ${errnoPhrase(errno)}`;
    throw new TsruncError(code, message, { errno, cause, hint: errno === "ENOENT" ? hint : undefined });
  }
}
