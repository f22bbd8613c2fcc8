/** The part of `node:child_process` that the verbs of the command line use. */
import { failure } from "./call.ts";
import { host } from "./host.ts";
import { constants } from "./os.ts";

interface Options {
  /** In bytes, of each of the two. */
  readonly maxBuffer: number;
}

interface Result {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly error?: Error;
}

/** With text as output, nothing as input and the environment of this process: so it is called, see `src/container/ps.ts`. */
export function spawnSync(command: string, args: readonly string[], { maxBuffer }: Options): Result {
  const done = host.run([command, ...args], maxBuffer);
  if (typeof done === "number") {
    const error = failure(-done, `spawnSync ${command}`);
    return { status: null, signal: null, stdout: "", stderr: "", error };
  }
  const [status, stdout, stderr] = done;
  return status < 0
    ? { status: null, signal: signalName(-status), stdout, stderr }
    : { status, signal: null, stdout, stderr };
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `${number}`;
}
