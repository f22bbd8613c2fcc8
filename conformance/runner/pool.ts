/** Workers, each a process in a mount namespace of its own, and the cases they are given. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { OWN_MOUNTS, OWN_NAMESPACE } from "../lib/apart.ts";
import type { CaseInfo, FromWorker, Outcome, Runtime, ToWorker } from "./messages.ts";
import type { RunnerOptions } from "./options.ts";

const WORKER = path.resolve(import.meta.dirname, `worker${path.extname(import.meta.filename)}`);

/** The suite cannot be run: no runtime, no rights, no tools. */
export class Unusable extends Error {}

const START = `${OWN_MOUNTS}
${OWN_NAMESPACE}=$(readlink /proc/self/ns/mnt); export ${OWN_NAMESPACE}
exec "$@"`;

export interface Ready {
  readonly runtime: Runtime;
  readonly cases: readonly CaseInfo[];
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** Promise.withResolvers, which came with Node 22. */
function defer<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, "resolve" | "reject"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

export class Worker {
  readonly ready: Promise<Ready>;
  /** Settled once the worker has been asked for it: whether the smallest container can be run. */
  readonly works: Promise<void>;
  readonly #child: ChildProcess;
  #errors = "";
  #resolve: ((outcome: Outcome | undefined) => void) | undefined;

  constructor({ runtime, keep, timeout, jobs }: Pick<RunnerOptions, "runtime" | "keep" | "timeout" | "jobs">) {
    const words = ["--mount", "--propagation", "unchanged", "/bin/sh", "-c", START, "sh", process.execPath, WORKER];
    this.#child = spawn("unshare", words, {
      env: {
        ...process.env,
        RUNTIME: runtime,
        CONFORMANCE_RUNNER: "1",
        FORCE_COLOR: "0",
        CONFORMANCE_TIMEOUT: String(timeout),
        // Several workers are each other's neighbours: none of them has the machine to itself.
        ...(jobs > 1 ? { CONFORMANCE_STRICT: "0" } : {}),
        ...(keep === undefined ? {} : { CONFORMANCE_KEEP: "1" }),
      },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.#errors = (this.#errors + String(chunk)).slice(-4000);
    });
    const ready = defer<Ready>();
    const works = defer<void>();
    const fail = (reason: string): void => {
      for (const { reject } of [ready, works]) reject(new Unusable(reason));
    };
    this.#child.on("error", (error) => fail(`\`unshare\` cannot be run: ${error.message}`));
    this.#child.on("message", (message: FromWorker) => {
      if (message.kind === "ready") ready.resolve(message);
      else if (message.kind === "works") works.resolve();
      else if (message.kind === "unusable") fail(message.reason);
      else this.#settle(message.outcome);
    });
    this.#child.on("exit", () => {
      fail(this.#errors.trim() || "a worker has ended");
      this.#settle(undefined);
    });
    [this.ready, this.works] = [ready.promise, works.promise];
    // Reported where they are awaited.
    this.ready.catch(() => undefined);
    this.works.catch(() => undefined);
  }

  #settle(outcome: Outcome | undefined): void {
    this.#resolve?.(outcome);
    this.#resolve = undefined;
  }

  #say(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** @throws Unusable where not even the smallest container can be run */
  async trial(): Promise<void> {
    this.#say({ kind: "trial" });
    await this.works;
  }

  /** Undefined where the worker has ended meanwhile. */
  async run(id: string): Promise<Outcome | undefined> {
    return await new Promise((resolve) => {
      this.#resolve = resolve;
      if (this.#child.connected) this.#say({ kind: "run", id });
      else this.#settle(undefined);
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.on("exit", resolve));
    this.#say({ kind: "end" });
    await ended;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Whether a case has stopped for want of time: then what it began may go on, and its worker is no good any more. */
function isLate(outcome: Outcome): boolean {
  return outcome.failure?.message.startsWith("did not end within") ?? false;
}

/** Runs the cases, each in the first worker that is free; `tell` hears of every outcome as it comes. */
export async function runCases(
  first: Worker,
  make: () => Worker,
  ids: readonly string[],
  jobs: number,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const waiting = [...ids];
  const lane = async (given: Worker | undefined): Promise<void> => {
    let worker = given;
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      worker ??= make();
      await worker.ready;
      const outcome = await worker.run(id);
      if (outcome !== undefined) tell(outcome);
      else
        tell({
          id,
          milliseconds: 0,
          failure: { message: "the worker ended", detail: "", place: "", calls: [], configs: [] },
        });
      if (outcome !== undefined && !isLate(outcome)) continue;
      worker.kill();
      worker = undefined;
    }
    await worker?.end();
  };
  const lanes = Math.max(1, Math.min(jobs, ids.length));
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i === 0 ? first : undefined)));
}
