/** What a {@link TsruncError} is about; stable, for programs. Texts may change, codes do not. */
export type ErrorCode =
  | "usage" // the command line is wrong
  | "config" // config.json is wrong; `problems` names each place
  | "exists" // a container with that id exists
  | "not-found" // no container with that id
  | "state" // the container is not in a state that allows this
  | "unsupported" // the kernel, the host or this build cannot do it
  | "op" // an op of a program failed
  | "io"; // a file or socket of the host could not be used

/** One place in config.json to mend. */
export interface Problem {
  /** JSON pointer (RFC 6901) into config.json, "" for the whole document. */
  readonly at: string;
  /** Lower case, no full stop: what was expected and what was found. */
  readonly message: string;
}

export interface ErrorDetails {
  readonly at?: string | undefined;
  readonly errno?: string | undefined;
  readonly hint?: string | undefined;
  readonly problems?: readonly Problem[] | undefined;
  readonly cause?: unknown;
}

/**
 * The only error tsrunc throws on purpose. `message` is one line, lower case, objects in backquotes;
 * {@link formatError} adds the JSON pointer and the hint.
 */
export class TsruncError extends Error {
  override readonly name = "TsruncError";
  readonly code: ErrorCode;
  /** JSON pointer of the part of config.json that led here. */
  readonly at: string | undefined;
  /** Errno name, such as `EPERM`. */
  readonly errno: string | undefined;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.at = details.at;
    this.errno = details.errno;
    this.hint = details.hint;
    this.problems = details.problems ?? [];
  }
}

/** Places in one line; who has more to mend finds the others with the next try. */
const MOST_SHOWN = 100;

/** The one line a user reads: message, then `(at /pointer)`, then `; hint: …`. */
export function formatError(error: unknown): string {
  if (!(error instanceof TsruncError)) {
    return oneLine(error instanceof Error ? error.message : String(error));
  }
  let line = error.message;
  if (error.problems.length > 0) {
    const shown = error.problems.slice(0, MOST_SHOWN).map((p) => `${p.at === "" ? "/" : p.at}: ${p.message}`);
    const hidden = error.problems.length - shown.length;
    line += `: ${shown.join("; ")}${hidden === 0 ? "" : `; … (${hidden} more)`}`;
  }
  if (error.at !== undefined) line += ` (at ${error.at})`;
  if (error.hint !== undefined) line += `; hint: ${error.hint}`;
  return oneLine(line);
}

/** The lines of a text without blanks around them and without empty ones, joined. */
export function oneLine(text: string, separator = "; "): string {
  if (!text.includes("\n")) return text;
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").join(separator);
}
