/** The suite's command line. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

export const FORMATS = ["pretty", "tap", "junit", "json", "html", "markdown"] as const;
export type Format = (typeof FORMATS)[number];
export const LEVELS = ["must", "should", "all"] as const;
export type LevelOption = (typeof LEVELS)[number];
export const SPECS = ["1.0", "1.1", "1.2", "1.3"] as const;
export type SpecVersion = (typeof SPECS)[number];

export interface RunnerOptions {
  readonly runtime: string;
  readonly filter: RegExp | undefined;
  readonly list: boolean;
  readonly format: Format;
  readonly output: string | undefined;
  readonly jobs: number;
  /** Longest time of one call of the runtime, in seconds. */
  readonly timeout: number;
  readonly spec: SpecVersion;
  readonly level: LevelOption;
  readonly keep: string | undefined;
  /** Failures that are known of this version of the runtime do not count. */
  readonly knownGaps: boolean;
}

export interface ShowOptions {
  /** Results of earlier runs, as `--format json` wrote them. */
  readonly files: readonly string[];
  readonly format: Format;
  readonly output: string | undefined;
}

/** An option that cannot be used; its message is for people. */
export class UsageError extends Error {}

export const HELP = `usage: tsrunc-conformance --runtime COMMAND [option …]
       tsrunc-conformance --format FORMAT [--output FILE] RESULT.json …

Tests an OCI runtime against the runtime-spec, by its command line alone. With the results of earlier runs, as JSON, it
shows those instead: beside each other as html or markdown.

  -r, --runtime COMMAND   the runtime and its global options, e.g. "/usr/sbin/runc" or "crun --cgroup-manager=cgroupfs"
      --filter REGEXP     cases whose name matches
      --level LEVEL       must, should or all: what the cases check (all)
      --spec VERSION      1.0, 1.1, 1.2 or 1.3: leave out what came later (1.3)
      --format FORMAT     pretty, tap, junit, json, html or markdown (pretty)
  -o, --output FILE       where the result goes, instead of stdout
  -j, --jobs N            cases at the same time (the number of processors)
      --timeout SECONDS       longest time of one call of the runtime (60)
      --list              print the cases that would be run
      --keep CASE         run that case, leave its bundle and print the commands that repeat it
      --known-gaps        failures that are known of this version of the runtime do not count
  -h, --help   -v, --version

The exit status is 0 if every case of a MUST has passed, 1 if not, 2 if the suite could not be run.
It must be run as root, on Linux, with a static busybox (Debian: busybox-static).`;

function oneOf<T extends string>(name: string, value: string, values: readonly T[]): T {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`\`--${name} ${value}\`: must be one of ${values.join(", ")}`);
  return found;
}

function wholeNumber(name: string, text: string | undefined, absent: number, most: number): number {
  if (text === undefined) return absent;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new UsageError(`\`--${name} ${text}\`: must be from 1 to ${most}`);
  return number;
}

function filterOf(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`\`--filter ${text}\`: ${(error as Error).message}`);
  }
}

export type Request =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "show"; readonly options: ShowOptions }
  | { readonly kind: "run"; readonly options: RunnerOptions };

/** @throws UsageError */
export function parseRequest(args: readonly string[]): Request {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { kind: "help" };
  if (values.version === true) return { kind: "version" };
  const format = oneOf("format", values.format ?? "pretty", FORMATS);
  if (positionals.length > 0) {
    if (values.runtime !== undefined) throw new UsageError("results of earlier runs go without `--runtime`");
    return { kind: "show", options: { files: positionals, format, output: values.output } };
  }
  const runtime = values.runtime ?? process.env.RUNTIME;
  if (runtime === undefined || runtime.trim() === "") throw new UsageError("`--runtime COMMAND` is missing");
  return {
    kind: "run",
    options: {
      runtime,
      filter: filterOf(values.filter),
      list: values.list ?? false,
      format,
      output: values.output,
      jobs: values.keep === undefined ? wholeNumber("jobs", values.jobs, availableParallelism(), 64) : 1,
      timeout: wholeNumber("timeout", values.timeout, 60, 3600),
      spec: oneOf("spec", values.spec ?? "1.3", SPECS),
      level: oneOf("level", values.level ?? "all", LEVELS),
      keep: values.keep,
      knownGaps: values["known-gaps"] ?? false,
    },
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runtime: { type: "string", short: "r" },
      filter: { type: "string" },
      level: { type: "string" },
      spec: { type: "string" },
      format: { type: "string" },
      output: { type: "string", short: "o" },
      jobs: { type: "string", short: "j" },
      timeout: { type: "string" },
      list: { type: "boolean" },
      keep: { type: "string" },
      "known-gaps": { type: "boolean" },
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "v" },
    },
  });
}
