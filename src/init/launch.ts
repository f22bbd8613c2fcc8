/** Handing a program to tsrunc-init: the calling process becomes it, or has it as a child. */
import * as fs from "node:fs";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { encode } from "../program/encode.ts";
import { type Notes, programNotes } from "../program/narrate.ts";
import type { Fault, ListName, Program } from "../program/program.ts";
import { errnoOf } from "../sys/errno.ts";
import { mappedFile } from "../sys/mapping.ts";
import { dataMemfd, execve, setCloexec } from "../sys/sys.ts";
import { mark, type Phase, timedPhases } from "../timing.ts";
import { initPath, noMemory } from "./executable.ts";
import { type Label, type Labels, labelsOf } from "./report.ts";

/** Where a waterfall of the times goes. */
export interface TimingOutput {
  readonly text: boolean;
  /** Absolute path. */
  readonly svg?: string;
  readonly title: string;
}

export interface LaunchOptions {
  readonly id: string;
  /** Where the program fails something of the container is left, whatever its `cleanup` did: it is for the user to remove. */
  readonly leaves?: boolean;
  /** RLIMIT_FSIZE that the container's process and hooks get, as `SOFT:HARD`, where it was lifted for us. */
  readonly fileSize?: string | undefined;
  /** Working directory, for hooks; absent: as it is. */
  readonly cwd?: string;
  /** argv of the process that formats failures; the number of the program's descriptor is appended. */
  readonly reporter: readonly string[];
  /** For the reporter's log. */
  readonly logPath: string | undefined;
  readonly logFormat: "text" | "json";
  readonly debug: boolean;
  /** Exit status where tsrunc itself failed. */
  readonly failureStatus: number;
  /** Labels of init's ops where they are of another program, by index. */
  readonly initLabels?: { readonly first: number; readonly labels: readonly Label[] } | undefined;
  readonly timings?: TimingOutput | undefined;
  readonly fault?: Fault | undefined;
}

/** Executes a program: {@link become} for the command line, a child process for the library. */
export type Perform = (program: Program, options: LaunchOptions) => number | Promise<number>;

/** What the reporter needs to know; it travels inside the program's file. */
export interface ReportContext {
  readonly id: string;
  readonly leaves?: boolean | undefined;
  readonly logPath: string | undefined;
  readonly logFormat: "text" | "json";
  readonly debug: boolean;
  readonly failureStatus: number;
  readonly labels: Labels;
  readonly initLabels: LaunchOptions["initLabels"];
  /** With `debug`: what to say of ops that were done. */
  readonly notes?: Notes | undefined;
  readonly timings?: TimingOutput | undefined;
  readonly phases?: readonly Phase[] | undefined;
}

/** For some of the reports of a program that nothing can be appended to. */
const REPORTS_ROOM = 1 << 16;

/**
 * Encodes the program into a file in memory, to which tsrunc-init will append its reports: no verb needs a disk.
 *
 * @returns its descriptor @throws TsruncError `io`
 */
export function writeProgram(program: Program, options: LaunchOptions, closeOnExec: boolean): number {
  const { id, leaves, logPath, logFormat, debug, failureStatus, initLabels, timings } = options;
  const labels = labelsOf(program);
  mark("labels");
  const phases = timedPhases();
  const context: ReportContext = {
    ...{ id, leaves, logPath, logFormat, debug, failureStatus, labels, initLabels, timings, phases },
    ...(debug ? { notes: programNotes(program) } : {}),
  };
  const bytes = encode(program, {
    reporter: options.reporter,
    context: JSON.stringify(context),
    timings: timings !== undefined || debug,
    fault: options.fault ?? faultOf(process.env.TSRUNC_FAULT),
  });
  try {
    const fd = dataMemfd("program", closeOnExec);
    fs.writeFileSync(fd, bytes);
    return fd;
  } catch (error) {
    const mapped = errnoOf(error) === "EFBIG" ? mappedFile(bytes, REPORTS_ROOM) : undefined;
    if (mapped !== undefined) return mapped;
    throw noMemory("the program", error instanceof TsruncError ? (error.errno ?? "EIO") : errnoOf(error), error);
  }
}

/**
 * Replaces this process by tsrunc-init, which executes the program: no fork, no relay, no process of ours left
 * waiting. Failures come back to `reporter`.
 */
export function become(program: Program, options: LaunchOptions): never {
  if (options.cwd !== undefined) process.chdir(options.cwd);
  // The engine marks all descriptors it inherits close-on-exec; those to be kept are opened up again. Before a new one
  // can take the place of one that is missing.
  for (let fd = 3; fd < 3 + program.keepFds; fd++) keepOpen(fd);
  const fd = writeProgram(program, options, false);
  const { fileSize } = options;
  const words = ["tsrunc-init", `${fd}`, ...(fileSize === undefined ? [] : [fileSize])];
  return execve(initPath(), words, process.env as Record<string, string>, true);
}

function keepOpen(fd: number): void {
  try {
    setCloexec(fd, false);
  } catch (error) {
    throw new TsruncError("usage", `descriptor ${fd} is to be preserved but is not open (EBADF)`, {
      errno: "EBADF",
      cause: error,
    });
  }
}

/** `LIST:INDEX:ERRNO`, with KILL for a SIGKILL: for tests of what is left after a failure at any op. */
export function faultOf(text: string | undefined): Fault | undefined {
  const match = /^(launcher|init|cleanup):(\d+):([A-Z0-9]+)$/.exec(text ?? "");
  if (match === null) return undefined;
  return { list: match[1] as ListName, index: Number(match[2]), errno: match[3] ?? "EIO" };
}
