/** Talks to native/launcher.c, which starts commands and measures them. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, truncateSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

/** One part of a request: commands that run at once, or the end of the container whose pid is in a file. */
export type Step = { readonly run: readonly (readonly string[])[] } | { readonly waitFor: string };

export interface CommandResult {
  /** Exit status, 128+N for a signal. */
  readonly status: number;
  /** Peak of the command and of the children that it waited for. */
  readonly maxRssKib: number;
}

export interface StepResult {
  readonly ns: number;
  readonly commands: readonly CommandResult[];
}

export interface Answer {
  /** Sum of the steps: the time between them is not in it. */
  readonly ns: number;
  readonly steps: readonly StepResult[];
  /** What the commands have printed, to both outputs. */
  readonly output: string;
}

/** Words of a request, see native/launcher.c. */
export function encodeRequest(steps: readonly Step[], limitMs: number): Buffer {
  const words = [String(limitMs)];
  for (const step of steps) {
    if ("waitFor" in step) words.push("wait", step.waitFor);
    else words.push("run", `${step.run.length}`, ...step.run.flatMap((argv) => [`${argv.length}`, ...argv]));
  }
  const text = Buffer.from(words.map((word) => `${word}\0`).join(""));
  const length = Buffer.alloc(4);
  new Uint32Array(length.buffer, length.byteOffset, 1)[0] = text.length;
  return Buffer.concat([length, text]);
}

export function decodeAnswer(line: string): Omit<Answer, "output"> {
  const [total = "", ...steps] = line.split(";");
  return { ns: Number(total), steps: steps.map(decodeStep) };
}

function decodeStep(text: string): StepResult {
  const [ns, ...commands] = text.split(" ");
  const results = commands.map((command) => {
    const [status, maxRssKib] = command.split(":").map(Number);
    return { status: status ?? 1, maxRssKib: maxRssKib ?? 0 };
  });
  return { ns: Number(ns), commands: results };
}

/** A running launcher. Containers become its children, as they become those of an engine's shim. */
export class Launcher {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, log: string) {
    this.#log = log;
    // In a session of its own: the terminal's Ctrl-C is for us, who clean up, and not for a runtime at work.
    this.#child = spawn(program, [log], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Runs steps one after the other, up to one that fails. @throws Error when the launcher itself fails */
  async perform(steps: readonly Step[], limitMs = 30_000): Promise<Answer> {
    this.#child.stdin?.write(encodeRequest(steps, limitMs));
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the launcher has ended");
    const output = readFileSync(this.#log, "utf8");
    if (output !== "") truncateSync(this.#log);
    return { ...decodeAnswer(line.value), output };
  }

  /** Ends it, and the commands that it is running. */
  close(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // has ended already
    }
  }
}
