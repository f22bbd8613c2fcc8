/** Running programs: always with a time limit, always with everything that they have said at hand. */
import { spawn } from "node:child_process";

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Called with the child's pid as soon as it runs. */
  readonly started?: (pid: number) => void;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/** Runs a program to its end. Death by a signal counts as 128 + its number, as shells have it; a time-out throws. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [program = "", ...rest] = argv;
  const child = spawn(program, rest, { env: options.env ?? process.env, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let late = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}); // a program need not read what it is given
  child.stdin.end(options.input ?? "");
  const limit = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limit);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("spawn", () => child.pid !== undefined && options.started?.(child.pid));
      child.on("exit", (_code, signal) => {
        // Pipes may be held open by daemons that the program has left running: they do not count.
        if (signal !== null) child.stdout.destroy();
      });
      child.on("close", (status, signal) => resolve(status ?? 128 + signalNumber(signal)));
    });
    if (late) throw new Error(`no end after ${limit} ms: ${argv.join(" ")}\n${stdout}${stderr}`);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function signalNumber(signal: string | null): number {
  return SIGNALS[signal ?? ""] ?? 0;
}

/** Runs a program that must succeed; what it printed, without the last line end. */
export async function ok(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options);
  if (result.code !== 0) throw new Error(describe(argv, result));
  return result.stdout.trimEnd();
}

export function describe(argv: readonly string[], result: Result): string {
  return `exit status ${result.code}: ${argv.join(" ")}\n${result.stdout}${result.stderr}`;
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `probe` gives something true, and returns it. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<Exclude<Awaited<T>, undefined | null | false | "" | 0>> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const value = await probe();
      if (value) return value as Exclude<Awaited<T>, undefined | null | false | "" | 0>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last instanceof Error ? `: ${last.message}` : ""}`);
}
