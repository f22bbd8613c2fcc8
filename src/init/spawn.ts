/** The library's way to execute a program: tsrunc-init as a child of the calling process. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import type { Program } from "../program/program.ts";
import { initPath } from "./executable.ts";
import { type LaunchOptions, writeProgram } from "./launch.ts";
import { type Outcome, readOutcome } from "./reporter.ts";

export interface SpawnOptions {
  /** Of the container's process, as in `child_process.spawn`; `inherit` by default. */
  readonly stdio?: "inherit" | "ignore" | readonly [Stdio, Stdio, Stdio];
  /** Gets the warnings of ops that may fail, such as poststop hooks. */
  readonly onWarning?: (warning: TsruncError) => void;
}

/** A descriptor of this process, or what `child_process.spawn` makes of the words. */
export type Stdio = "inherit" | "ignore" | number;

/**
 * Executes a program and waits for its end: of the container's process for a foreground `run` or `exec`, else of the
 * verb.
 *
 * @returns the exit status
 * @throws TsruncError `op`, with the part of config.json that the failed op came from
 */
export async function spawnProgram(
  program: Program,
  launch: LaunchOptions,
  options: SpawnOptions = {},
): Promise<number> {
  const file = writeProgram(program, { ...launch, reporter: [] });
  // tsrunc-init removes the file as soon as it has opened it; what it reports is read through this.
  const fd = fs.openSync(file, "r");
  try {
    const status = await runInit(initPath(launch), file, launch, options);
    return conclude(readOutcome(fd), status, options);
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file, { force: true });
  }
}

function runInit(
  init: string,
  file: string,
  { cwd }: LaunchOptions,
  { stdio = "inherit" }: SpawnOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(init, [file], {
      argv0: "tsrunc-init",
      stdio: typeof stdio === "string" ? stdio : [...stdio],
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
      else reject(new TsruncError("io", `tsrunc-init was killed by ${signal}`));
    });
  });
}

function conclude(outcome: Outcome, status: number, { onWarning }: SpawnOptions): number {
  for (const warning of outcome.warnings) onWarning?.(warning);
  const [failure] = outcome.failures;
  if (failure !== undefined) throw failure;
  return status;
}
