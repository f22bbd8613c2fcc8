/** Running the command under test. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { RUNTIME } from "./host.ts";
import { traceCall } from "./trace.ts";
import { stateRoot, TAG, workspace } from "./workspace.ts";

/** Longest time one call may take: slow machines are emulated ones. */
export const CALL_TIMEOUT_MS = Number(process.env.CONFORMANCE_TIMEOUT ?? 60) * 1000;

export interface Result {
  /** Exit status, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** File given as stdin; /dev/null when absent. */
  readonly stdin?: string;
  /** Shell text put before the command, e.g. `exec 3</etc/passwd;`. */
  readonly shell?: string;
  /** Words put before the command, e.g. `nsenter --net=FILE`. */
  readonly wrap?: readonly string[];
  /** Where to keep stdout; a file of its own when absent. */
  readonly stdout?: string;
  /** Words in place of `--root DIR`. */
  readonly global?: readonly string[];
  readonly timeoutMs?: number;
}

/** A call under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly stdoutFile: string;
  readonly result: Promise<Result>;
}

let calls = 0;

/**
 * Starts the runtime with `args`. Its output goes to files: what a created container inherits
 * would otherwise keep a pipe open for ever.
 */
export function startRuntime(args: readonly string[], options: RunOptions = {}): Running {
  const words = [...(options.wrap ?? []), ...RUNTIME, ...(options.global ?? ["--root", stateRoot()]), ...args];
  return startCommand(
    options.shell === undefined ? words : ["/bin/sh", "-c", `${options.shell} exec "$@"`, "sh", ...words],
    options,
  );
}

/** Starts any program in the same way. */
export function startCommand(words: readonly string[], options: RunOptions = {}): Running {
  const call = traceCall(words);
  const stem = path.join(workspace(), `call-${++calls}`);
  const stdoutFile = options.stdout ?? `${stem}.out`;
  const stderrFile = `${stem}.err`;
  const fds = [openSync(options.stdin ?? "/dev/null", "r"), openSync(stdoutFile, "a"), openSync(stderrFile, "a")];
  const child = spawn(words[0] ?? "", words.slice(1), {
    cwd: options.cwd ?? workspace(),
    env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", CONFORMANCE: TAG, ...options.env },
    stdio: [fds[0]!, fds[1]!, fds[2]!],
  });
  const result = new Promise<Result>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`\`${words.join(" ")}\` did not end in time`));
    }, options.timeoutMs ?? CALL_TIMEOUT_MS);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      call.status = code ?? signal ?? "?";
      resolve({ code, signal, stdout: readFileSync(stdoutFile, "utf8"), stderr: readFileSync(stderrFile, "utf8") });
    });
  });
  result.catch(() => undefined); // reported where it is awaited
  for (const fd of fds) closeSync(fd);
  return { child, stdoutFile, result };
}

/** Runs the runtime to its end. */
export async function runtime(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return await startRuntime(args, options).result;
}

/** Polls until `condition` gives a value that is not undefined or false. @throws Error after `timeoutMs`. */
export async function until<T>(what: string, condition: () => T | undefined | false, timeoutMs = 20_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
