/** Calls of tsrunc with an op made to fail, and what is said then. */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { DIRECTORY, ROOT, readOrEmpty } from "./bundle.ts";

const CHECKOUT = path.join(import.meta.dir, "../../..");
/** With `--root`. */
export const COMMAND = (process.env.RUNTIME ?? path.join(CHECKOUT, "dist/tsrunc")).split(" ").concat("--root", ROOT);
const TIMEOUT_MS = 60_000;

export type Verb = "create" | "run";
export type ListName = "launcher" | "init" | "cleanup";

export interface PlannedOp {
  readonly op: string;
  readonly at?: string;
  readonly orElse?: boolean;
  readonly quiet?: boolean;
  readonly token?: number;
}

export type Plan = Readonly<Record<ListName, readonly PlannedOp[]>>;

export interface Outcome {
  /** Exit status; 128 and the signal's number where one ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

let calls = 0;

/**
 * Output goes to files: a container that is left would keep a pipe open. `wrap`: words before the command.
 * @throws Error when it hangs
 */
export async function tsrunc(args: readonly string[], fault?: string, wrap: readonly string[] = []): Promise<Outcome> {
  const stem = path.join(DIRECTORY, `call${++calls}`);
  const files = [`${stem}.out`, `${stem}.err`] as const;
  const [out, err] = [openSync(files[0], "w"), openSync(files[1], "w")];
  // The mark by which a process of ours that is left is found: the id is one of the arguments.
  const env = { PATH: process.env.PATH, CALL: args.join(" "), ...(fault === undefined ? {} : { TSRUNC_FAULT: fault }) };
  const child = Bun.spawn([...wrap, ...COMMAND, ...args], { env, stdio: ["ignore", out, err], cwd: DIRECTORY });
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill("SIGKILL");
  }, TIMEOUT_MS);
  await child.exited;
  clearTimeout(timer);
  closeSync(out);
  closeSync(err);
  if (hung) throw new Error(`\`${args.join(" ")}\` hangs with fault ${fault}`);
  const status = child.exitCode ?? 128 + (constants.signals[child.signalCode as NodeJS.Signals] ?? 0);
  return { status, stdout: readOrEmpty(files[0]), stderr: readOrEmpty(files[1]) };
}

/** The program of a verb, as `plan` prints it. */
export async function planOf(verb: Verb, flags: readonly string[], bundle: string, id: string): Promise<Plan> {
  const words = [...(verb === "create" ? ["--create"] : []), ...flags];
  const { status, stdout, stderr } = await tsrunc(["plan", ...words, "--format", "json", "--bundle", bundle, id]);
  if (status !== 0) throw new Error(`plan: ${stderr}`);
  return JSON.parse(stdout) as Plan;
}

/** What is wrong with the message of a failure: it is one line, no stack trace, and names the part of config.json. */
export function messageProblem(stderr: string, at: string | undefined): string | undefined {
  const lines = stderr.split("\n").filter((line) => line !== "");
  if (lines.length !== 1) return `${lines.length} lines on stderr: ${stderr}`;
  if (/ at .*\.(ts|js):\d/.test(stderr) || !stderr.includes("level=error")) return `no error message: ${stderr}`;
  return at === undefined || stderr.includes(`(at ${at})`) ? undefined : `the message lacks ${at}: ${stderr}`;
}
