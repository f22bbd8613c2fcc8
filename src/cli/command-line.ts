/**
 * The command line. Every call of an engine is a process, so this is the path that counts: only what all verbs
 * need is imported here, the verb itself when it is known. `node:util` stays out: loading it costs 0.8 ms.
 */

import process from "node:process";
import { type Context, defaultRoot, resolveRoot } from "../container/context.ts";
import { containerIds } from "../container/store.ts";
import { TsruncError } from "../errors.ts";
import { type HostInfo, hostInfo } from "../host.ts";
import { commit, version, versionText } from "../version.ts";
import type { Call } from "./call.ts";
import { describeError, stackLine } from "./errors.ts";
import { Flags } from "./flags.ts";
import { type Log, openLog, print, printError } from "./log.ts";
import { type CommandLine, parseCommandLine, UsageError } from "./parse.ts";
import type { VerbName } from "./table.ts";
import { loadVerb } from "./verbs.ts";

/** `run` and `exec` return what the process returned, so `exec` needs a status of its own for our errors. */
const EXEC_FAILED = 255;
const FAILED = 1;
/** How tsrunc-init calls us to tell what it could not do. */
const REPORT_VERB = "__report";
/** How the completion scripts of shells ask what may follow. */
const COMPLETE_VERB = "__complete";

/** Does what the words after the program's name say, and ends the process. */
export function main(words: readonly string[]): void {
  const host = hostInfo();
  if (words[0] === COMPLETE_VERB) {
    finish(completion(words.slice(1)), undefined, FAILED);
    return;
  }
  if (words[0] === REPORT_VERB) {
    finish(report(Number(words[1])), undefined, FAILED);
    return;
  }
  const globals = new Flags();
  let verb: string | undefined;
  let log: Log | undefined;
  try {
    const line = parseCommandLine(words, globals);
    verb = line.verb;
    log = logOf(globals);
    finish(dispatch(host, line, log), log, failureStatus(verb));
  } catch (error) {
    if (error instanceof UsageError) verb = error.verb;
    fail(error, log ?? logOrStderr(globals), failureStatus(verb));
  }
}

async function report(fd: number): Promise<number> {
  const { reportOutcome } = await import("./report.ts");
  return reportOutcome(fd);
}

/** Ends the process with the status, or with the error as the last line. */
function finish(result: number | Promise<number>, log: Log | undefined, failure: number): void {
  if (typeof result === "number") exit(result);
  else result.then(exit, (error) => fail(error, log, failure));
}

function fail(error: unknown, log: Log | undefined, status: number): void {
  say(error, log);
  exit(status);
}

function say(error: unknown, log: Log | undefined): void {
  // The reader of our output has gone: nothing to say, and nobody to say it to.
  if ((error as NodeJS.ErrnoException | undefined)?.code === "EPIPE") return;
  const message = describeError(error);
  if (log === undefined) {
    printError(message);
    return;
  }
  // Of what is no fault of ours the line itself is all there is to say.
  if (!(error instanceof TsruncError || error instanceof UsageError)) log.debug(stackLine(error));
  log.error(message);
}

function dispatch(host: HostInfo, line: CommandLine, log: Log): number | Promise<number> {
  const { verb } = line;
  if (line.help || verb === undefined) {
    if (line.globals.bool("version")) return printed(versionText(host.programName));
    return import("./help.ts").then(({ helpText }) => printed(helpText(host.programName, verb)));
  }
  const call = { context: contextOf(host, line.globals, log), flags: line.flags, args: line.args };
  if (call.context.debug) log.debug(callLine(verb, call));
  return loadVerb(verb).then((run) => run(call));
}

/** Which program was asked for what, and where it keeps its state. */
function callLine(verb: VerbName, { context, args }: Call): string {
  const id = args[0] === undefined ? "" : ` \`${args[0]}\``;
  const { cgroupManager, root } = context;
  return `tsrunc ${version()} (${commit()}): ${verb}${id}, root \`${root}\`, cgroup manager ${cgroupManager}, pid ${process.pid}`;
}

async function completion(words: readonly string[]): Promise<number> {
  const { complete, completionText } = await import("./completion.ts");
  return printed(completionText(complete(words, idsBelow)));
}

/** For a person at a prompt: what cannot be read is not there. */
function idsBelow(root: string | undefined): readonly string[] {
  try {
    return containerIds(root === undefined ? defaultRoot(process.env) : resolveRoot(root)) ?? [];
  } catch {
    return [];
  }
}

function printed(text: string): number {
  print(text);
  return 0;
}

function failureStatus(verb: string | undefined): number {
  return verb === "exec" ? EXEC_FAILED : FAILED;
}

function logOf(globals: Flags): Log {
  return openLog({
    path: globals.string("log"),
    format: globals.oneOf("log-format", ["text", "json"]) ?? "text",
    debug: globals.bool("debug"),
  });
}

/** An error of the command line goes to the log that it names, wherever it names it, if that can be had. */
function logOrStderr(globals: Flags): Log {
  try {
    return logOf(globals);
  } catch {
    return openLog({ format: "text", debug: false });
  }
}

function contextOf(host: HostInfo, globals: Flags, log: Log): Context {
  const root = globals.string("root");
  const rootless = globals.oneOf("rootless", ["auto", "true", "false"]) ?? "auto";
  const debug = globals.bool("debug");
  const manager = globals.oneOf("cgroup-manager", ["cgroupfs", "systemd", "disabled"]) ?? "cgroupfs";
  return {
    root: root === undefined ? defaultRoot(process.env) : resolveRoot(root),
    rootGiven: root !== undefined,
    log,
    perform: async (program, options) => {
      if (debug) for (const text of (await import("../program/narrate.ts")).programLines(program)) log.debug(text);
      return (await import("../init/launch.ts")).become(program, options);
    },
    logFormat: log.format,
    debug,
    cgroupManager: globals.bool("systemd-cgroup") ? "systemd" : manager,
    programName: host.programName,
    ...(log.path === undefined ? {} : { logPath: log.path }),
    ...(rootless === "auto" ? {} : { rootless: rootless === "true" }),
    ...(host.nofile === undefined ? {} : { nofile: host.nofile }),
    ...(host.fileSize === undefined ? {} : { fileSize: host.fileSize }),
    ...(host.start === undefined ? {} : { start: host.start }),
  };
}

/** `process.exit` runs handlers that nobody has set: 0.5 ms. All output has been written synchronously. */
function exit(status: number): void {
  (process as unknown as { reallyExit(status: number): never }).reallyExit(status);
}
