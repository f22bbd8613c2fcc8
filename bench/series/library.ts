/** A container's life inside one long-lived process, by the library, beside `run` of other runtimes. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Bench } from "../bench.ts";
import type { Bundle } from "../bundle.ts";
import { CHECKOUT, call, type Runtime } from "../runtimes.ts";
import { type Contender, type Series, samplesOf } from "./series.ts";

const METRIC = "library";

/** The library's two ways: one call of `run`, and `create`, `start`, asking `state` until it stopped, and `delete`. */
const WAYS = { run: "one call", life: "four calls" } as const;

export function librarySeries(bench: Bench, rounds: number): Series {
  const bundle = bench.bundles.write("library");
  const others = bench.runtimes.filter(({ name }) => name !== "tsrunc");
  const commands = others.map((runtime): Contender => {
    const step = { run: [call(runtime, "run", "--bundle", bundle.directory, bundle.id)] };
    const measure = async () => samplesOf([[METRIC, step]], await bench.measure(runtime, [bundle], [step]));
    return { name: runtime.name, measure };
  });
  const workers = [new Worker(bench, "Bun", process.execPath), new Worker(bench, "Node", "node")];
  const contenders = [...commands, ...workers.flatMap((worker) => worker.contenders(bundle))];
  const close = () => {
    for (const worker of workers) worker.close();
  };
  return { name: METRIC, rounds, contenders, close };
}

/** A process that has the library loaded, waiting for requests. */
class Worker {
  readonly #bench: Bench;
  readonly #runtime: Runtime;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(bench: Bench, name: string, program: string) {
    this.#bench = bench;
    const root = bench.file(`states/library-${name}`);
    mkdirSync(root, { recursive: true });
    this.#runtime = { name, command: [], version: "", root };
    const words = [
      path.join(import.meta.dirname, "library-worker.mjs"),
      path.join(CHECKOUT, "dist/lib/index.js"),
      root,
    ];
    this.#child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  contenders(bundle: Bundle): readonly Contender[] {
    return Object.entries(WAYS).map(([way, calls]) => ({
      name: `${this.#runtime.name}, ${calls}`,
      measure: async () => [{ metric: METRIC, ns: await this.#request(way, bundle) }],
    }));
  }

  async #request(way: string, bundle: Bundle): Promise<number> {
    this.#child.stdin?.write(`${JSON.stringify([way, bundle.id, bundle.directory])}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`the library's process under ${this.#runtime.name} has ended`);
    const { ns, error } = JSON.parse(line.value) as { ns: number; error: string | null };
    if (error !== null) throw new Error(error);
    this.#bench.checkGone(this.#runtime, bundle);
    return ns;
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}
