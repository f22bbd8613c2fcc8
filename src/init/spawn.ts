/** The library's ways to execute a program: in a launcher that the server forks, or in a child of this process. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { encode } from "../program/encode.ts";
import type { Program } from "../program/program.ts";
import { errnoName } from "../sys/errno.ts";
import { initPath } from "./executable.ts";
import { faultOf, type LaunchOptions, writeProgram } from "./launch.ts";
import { labelsOf, opError, type Report, withRest } from "./report.ts";
import { readOutcome, reportLabel } from "./reporter.ts";
import type { InitServer, ServedChild } from "./server.ts";
import { STDIO_INHERIT, STDIO_NULL } from "./wire.ts";

export interface SpawnOptions {
  /**
   * Of the container's process; `inherit` by default. What follows the first three becomes its descriptors from 3
   * upwards, for `preserveFds`.
   */
  readonly stdio?: "inherit" | "ignore" | readonly [Stdio, Stdio, Stdio, ...Stdio[]];
  /** Gets the warnings of ops that may fail, such as poststop hooks. */
  readonly onWarning?: (warning: TsruncError) => void;
}

/** A descriptor of this process, which stays open until the method's promise is settled; `ignore` is /dev/null. */
export type Stdio = "inherit" | "ignore" | number;

export interface Executed {
  /** Exit status: of the container's process for a foreground `run` or `exec`, else of the verb. */
  readonly status: number;
  /** The process that was left running, where it can be waited for. */
  readonly child: ServedChild | undefined;
}

/** Steps of a `server` report: SERVE_* of native/init.h. */
const STEPS = ["stdio", "chdir", "program"] as const;

/**
 * Executes a program and waits for its end.
 *
 * @throws TsruncError `op`, with the part of config.json that the failed op came from; `io`
 */
export async function executeProgram(
  server: InitServer,
  program: Program,
  launch: LaunchOptions,
  options: SpawnOptions = {},
): Promise<Executed> {
  const stdio = stdioOf(options);
  if (stdio === undefined || program.keepFds > 0) return spawnProgram(server, program, launch, options);
  const bytes = encode(program, {
    reporter: [],
    context: "",
    timings: false,
    fault: launch.fault ?? faultOf(process.env.TSRUNC_FAULT),
  });
  const { status, errno, reports, child } = await server.execute({ program: bytes, cwd: cwdOf(launch), stdio });
  if (errno !== 0) throw new TsruncError("io", `fork tsrunc-init: ${errnoName(errno)}`, { errno: errnoName(errno) });
  const refused = reports.find(({ kind }) => kind === "server");
  // Taking a descriptor from another process needs rights to trace it, which Yama (ptrace_scope) may withhold.
  if (refused !== undefined && STEPS[refused.step] === "stdio") return spawnProgram(server, program, launch, options);
  if (refused !== undefined) throw refusal(refused);
  const labels = { labels: reports.length === 0 ? {} : labelsOf(program), initLabels: launch.initLabels };
  const errors = (kind: Report["kind"]) =>
    reports.filter((r) => r.kind === kind).map((r) => opError(r, reportLabel(r, labels)));
  const failures = withRest(errors("failure"), reports, launch);
  return { status: conclude(failures, errors("warning"), status, options), child };
}

/** Undefined where there are more descriptors than a request holds. */
function stdioOf({ stdio = "inherit" }: SpawnOptions): [number, number, number] | undefined {
  const [stdin, stdout, stderr, ...more] = typeof stdio === "string" ? ([stdio, stdio, stdio] as const) : stdio;
  return more.length > 0 ? undefined : [descriptor(stdin), descriptor(stdout), descriptor(stderr)];
}

function descriptor(stdio: Stdio): number {
  if (stdio === "inherit") return STDIO_INHERIT;
  return stdio === "ignore" ? STDIO_NULL : stdio;
}

/** The directory that this process is in now: the server is in another. */
function cwdOf({ cwd }: LaunchOptions): string {
  try {
    return cwd ?? process.cwd();
  } catch {
    return "/"; // deleted
  }
}

function refusal({ step, errno, detail }: Report): TsruncError {
  const name = errnoName(errno);
  if (STEPS[step] === "chdir") return new TsruncError("io", `chdir \`${detail}\`: ${name}`, { errno: name });
  return new TsruncError("io", `tsrunc-init: ${detail}`, { hint: "is it of the same version as the library?" });
}

async function spawnProgram(
  server: InitServer,
  program: Program,
  launch: LaunchOptions,
  options: SpawnOptions,
): Promise<Executed> {
  const fd = writeProgram(program, { ...launch, reporter: [] }, true);
  try {
    const status = await runInit(initPath(), fd, launch, options);
    const { failures, warnings, child } = readOutcome(fd);
    return { status: conclude(failures, warnings, status, options), child: child && watched(server, child) };
  } finally {
    fs.closeSync(fd);
  }
}

/** Not the server's child: of its end only the moment can be known. */
function watched(server: InitServer, { aux: pid, startNs }: Report): ServedChild {
  const startTime = Number(startNs);
  const unknown = (): undefined => undefined;
  return { pid, startTime, exit: server.watch({ pid, startTime }).then(unknown, unknown) };
}

function runInit(
  init: string,
  program: number,
  { cwd }: LaunchOptions,
  { stdio = "inherit" }: SpawnOptions,
): Promise<number> {
  const kept = typeof stdio === "string" ? [stdio, stdio, stdio] : stdio;
  return new Promise((resolve, reject) => {
    const child = spawn(init, [`${kept.length}`], {
      argv0: "tsrunc-init",
      stdio: [...kept, program],
      env: process.env,
      ...(cwd === undefined ? {} : { cwd }),
    });
    child.once("error", (error) => {
      reject(
        new TsruncError("io", `execute tsrunc-init: ${(error as NodeJS.ErrnoException).code ?? error.message}`, {
          cause: error,
        }),
      );
    });
    child.once("exit", (code, signal) => {
      if (signal === null) resolve(code ?? 1);
      else reject(new TsruncError("op", `tsrunc-init was killed by ${signal}`));
    });
  });
}

function conclude(
  failures: readonly TsruncError[],
  warnings: readonly TsruncError[],
  status: number,
  { onWarning }: SpawnOptions,
): number {
  for (const warning of warnings) onWarning?.(warning);
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  if (status < 0) throw new TsruncError("op", `tsrunc-init was killed by signal ${-status}`);
  return status;
}
