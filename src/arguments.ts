/**
 * Checks of what the library is called with: who writes JavaScript has no compiler that looks at it, and gets the error of a
 * command line with that mistake instead of a TypeError from somewhere inside.
 */
import { TsruncError } from "./errors.ts";
import { show } from "./spec/pointer.ts";
import { nearest } from "./spec/schema-problems.ts";

/** What a value must be; `isRight` says whether it is. */
interface Kind {
  readonly expected: string;
  readonly isRight: (value: unknown) => boolean;
}

/** The options that a method knows, by name. */
export type Options = Readonly<Record<string, Kind>>;

// ---- kinds ----

const MAX_ID = 0xffff_fffe; // -1 as a 32-bit number means "none" to the kernel

/** Of a NUL no path, no name and no argument of a program has room. */
function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Not one that refers to itself, nor with a `toJSON` that throws. */
function isDocument(value: unknown): boolean {
  if (!isObject(value)) return false;
  try {
    JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}` : item));
    return true;
  } catch {
    return false;
  }
}

const TEXT: Kind = { expected: "a text without NUL", isRight: isText };
const PATH: Kind = { expected: "a path", isRight: (value) => isText(value) && value !== "" };
const TEXTS: Kind = {
  expected: "a list of texts without NUL",
  isRight: (value) => Array.isArray(value) && value.every(isText),
};
const FLAG: Kind = { expected: "true or false", isRight: (value) => typeof value === "boolean" };
const COUNT: Kind = { expected: "a number of descriptors", isRight: (value) => isWhole(value, 0, 2 ** 20) };
const GROUPS: Kind = {
  expected: "a list of group ids below 4294967295",
  isRight: (value) => Array.isArray(value) && value.every((gid) => isWhole(gid, 0, MAX_ID)),
};
const DOCUMENT: Kind = { expected: "an object of JSON", isRight: isDocument };
const FUNCTION: Kind = { expected: "a function", isRight: (value) => typeof value === "function" };
const MILLISECONDS: Kind = {
  expected: "a number of milliseconds greater than 0",
  isRight: (value) => typeof value === "number" && value > 0 && value < 2 ** 31,
};
const SIGNAL: Kind = {
  expected: "the number or the name of a signal",
  isRight: (value) => isWhole(value, 0, 64) || (isText(value) && value !== ""),
};
const LOG: Kind = {
  expected: "an object with the functions `warn` and `debug`",
  isRight: (value) =>
    isObject(value) &&
    [value.warn, value.debug].every((method) => method === undefined || typeof method === "function"),
};
const PROCESS: Kind = {
  expected: "a file's path or an object of JSON",
  isRight: (value) => PATH.isRight(value) || isDocument(value),
};
const STDIO: Kind = {
  expected: "`inherit`, `ignore`, or a list of three or more of these and of descriptors",
  isRight: (value) =>
    value === "inherit" ||
    value === "ignore" ||
    (Array.isArray(value) &&
      value.length >= 3 &&
      value.every((item) => item === "inherit" || item === "ignore" || isWhole(item, 0, 2 ** 30))),
};

function oneOf(...words: readonly string[]): Kind {
  return {
    expected: words.map((word) => `\`${word}\``).join(" or "),
    isRight: (value) => words.includes(value as string),
  };
}

// ---- the methods' options ----

const CREATE: Options = {
  bundle: PATH,
  config: PATH,
  consoleSocket: PATH,
  pidfdSocket: PATH,
  pidFile: PATH,
  noPivot: FLAG,
  noNewKeyring: FLAG,
  preserveFds: COUNT,
};
const RUN: Options = { ...CREATE, detach: FLAG, keep: FLAG, noSubreaper: FLAG };

/** Of each method that takes options, and of the constructor. */
export const METHOD_OPTIONS = {
  constructor: { root: PATH, cgroupManager: oneOf("cgroupfs", "systemd", "disabled"), rootless: FLAG, log: LOG },
  create: CREATE,
  run: RUN,
  plan: { ...RUN, mode: oneOf("create", "run", "run-detached") },
  exec: {
    args: TEXTS,
    process: PROCESS,
    cwd: TEXT,
    env: TEXTS,
    tty: FLAG,
    user: TEXT,
    additionalGids: GROUPS,
    processLabel: TEXT,
    apparmor: TEXT,
    noNewPrivs: FLAG,
    caps: TEXTS,
    preserveFds: COUNT,
    cgroups: TEXTS,
    ignorePaused: FLAG,
    pidFile: PATH,
    consoleSocket: PATH,
    pidfdSocket: PATH,
  },
  kill: { all: FLAG },
  delete: { force: FLAG },
  events: { intervalMs: MILLISECONDS },
  spawnOptions: { stdio: STDIO, onWarning: FUNCTION },
} as const satisfies Readonly<Record<string, Options>>;

export const SPEC_OPTIONS: Options = {
  rootfs: PATH,
  readonly: FLAG,
  hostname: TEXT,
  tty: FLAG,
  cpus: TEXT,
  memory: TEXT,
  pids: TEXT,
  env: TEXTS,
  mounts: TEXTS,
  cwd: TEXT,
  user: TEXT,
  args: TEXTS,
};

/** Arguments that are no options. */
export const ARGUMENT_KINDS = { text: TEXT, texts: TEXTS, signal: SIGNAL, document: DOCUMENT, path: PATH } as const;

// ---- checks ----

/** @throws TsruncError `usage` that names the argument */
export function checkArgument(method: string, name: string, kind: keyof typeof ARGUMENT_KINDS, value: unknown): void {
  const { expected, isRight } = ARGUMENT_KINDS[kind];
  if (!isRight(value)) throw wrong(method, `argument \`${name}\``, expected, value);
}

/**
 * The options without those that are undefined, which are taken as absent.
 *
 * @throws TsruncError `usage` that names the option: it is unknown, of the wrong kind, or one of `required` that is missing
 */
export function checkOptions<T extends object>(
  method: string,
  known: Options,
  given: T | undefined,
  required: readonly (keyof T & string)[] = [],
): T {
  if (given !== undefined && !isObject(given)) throw wrong(method, "argument `options`", "an object", given);
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw unknown(method, name, known);
    if (!kind.isRight(value)) throw wrong(method, `option \`${name}\``, kind.expected, value);
    checked[name] = value;
  }
  for (const name of required) {
    if (!Object.hasOwn(checked, name))
      throw wrong(method, `option \`${name}\``, known[name]?.expected ?? "", undefined);
  }
  return checked as T;
}

function unknown(method: string, name: string, known: Options): TsruncError {
  const near = nearest(name, Object.keys(known));
  const meant = near === undefined ? "" : `; did you mean \`${near}\`?`;
  return new TsruncError("usage", `\`${method}\`: unknown option \`${name}\`${meant}`);
}

function wrong(method: string, what: string, expected: string, value: unknown): TsruncError {
  const found = typeof value === "function" ? "a function" : show(value);
  return new TsruncError("usage", `\`${method}\`: ${what}: expected ${expected}, found ${found}`);
}
