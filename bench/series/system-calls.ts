/** How many system calls a `run` takes. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Bench } from "../bench.ts";
import { call, type Runtime } from "../runtimes.ts";

/** All calls of all processes and threads, of the container's program too. */
export function countSystemCalls(bench: Bench, runtime: Runtime): number {
  const bundle = bench.bundles.write("system-calls");
  const summary = bench.file("strace");
  const words = call(runtime, "run", "--bundle", bundle.directory, bundle.id);
  const done = spawnSync("strace", ["-c", "-f", "-o", summary, ...words], { encoding: "utf8", timeout: 60_000 });
  if (done.status !== 0) throw new Error(`strace of ${runtime.name}: ${done.error?.message ?? done.stderr}`);
  bench.checkGone(runtime, bundle);
  return parseTotal(readFileSync(summary, "utf8"));
}

/** The number of calls in the last line of a summary: `100.00 0.012345 8 1432 67 total`. */
export function parseTotal(summary: string): number {
  const line = summary.split("\n").find((text) => text.endsWith(" total"));
  const calls = Number(line?.trim().split(/\s+/)[3]);
  if (!(calls > 0)) throw new Error("strace has printed no total");
  return calls;
}
