/** Memory of the processes of a runtime that stay with a container. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import type { Bundle } from "../bundle.ts";
import { call, type Runtime } from "../runtimes.ts";
import { lifeOf } from "./verbs.ts";

const CONTAINERS = 8;

/** KiB, per container. */
export interface Memory {
  /** Pages shared with other processes count by their parts. */
  readonly pss: number;
  readonly rss: number;
}

export interface Resident {
  /** After `create`: what waits for `start` to become the user's program. */
  readonly created: Memory;
  /** After `create` and `start`; the user's program does not count. */
  readonly started: Memory;
  /** While a foreground `run` waits; the user's program does not count. */
  readonly foreground: Memory;
}

export async function residentMemory(bench: Bench, runtime: Runtime): Promise<Resident> {
  const bundles = Array.from({ length: CONTAINERS }, (_, i) => bench.bundles.write(`resident-${i}`, { sleeps: true }));
  const lives = bundles.map((bundle) => lifeOf(runtime, bundle));
  await bench.perform(lives.map(({ create }) => create[1]));
  const created = measure(descendants(bench.launcher.pid), []);
  await bench.perform(lives.map(({ start }) => start[1]));
  const started = measure(descendants(bench.launcher.pid), bundles.map(pidOf));
  const ends = lives.flatMap(({ kill, wait, remove }) => [kill[1], wait[1], remove[1]]);
  await bench.measure(runtime, bundles, ends);
  return { created, started, foreground: await foreground(bench, runtime, bundles) };
}

async function foreground(bench: Bench, runtime: Runtime, bundles: readonly Bundle[]): Promise<Memory> {
  for (const { pidFile } of bundles) rmSync(pidFile, { force: true });
  const children = bundles.map(({ id, directory, pidFile }) => {
    const [program = "", ...args] = call(runtime, "run", "--bundle", directory, "--pid-file", pidFile, id);
    return spawn(program, args, { stdio: "ignore" });
  });
  const ended = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  await until("containers run", () => bundles.every((bundle) => existsSync(bundle.pidFile) && sleeps(pidOf(bundle))));
  const own = children.flatMap(({ pid = 0 }) => [pid, ...descendants(pid)]);
  const memory = measure(own, bundles.map(pidOf));
  for (const bundle of bundles) process.kill(pidOf(bundle), "SIGKILL");
  await Promise.all(ended);
  for (const bundle of bundles) bench.checkGone(runtime, bundle);
  return memory;
}

/** The user's program is in its place, which has another name than what the runtime had there. */
function sleeps(pid: number): boolean {
  return pid > 0 && readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n";
}

function pidOf({ pidFile }: Bundle): number {
  return Number(readFileSync(pidFile, "utf8"));
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await setTimeout(5);
  }
}

/** All processes that come from one, which may have started them from any of its threads. */
function descendants(pid: number): readonly number[] {
  const lists = readdirSync(`/proc/${pid}/task`).map((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"),
  );
  const children = lists.flatMap((list) => list.split(" ").map(Number).filter(Boolean));
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function measure(pids: readonly number[], without: readonly number[]): Memory {
  const counted = pids.filter((pid) => !without.includes(pid));
  const rollups = counted.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  const sum = (field: RegExp) => rollups.reduce((total, text) => total + Number(field.exec(text)?.[1] ?? 0), 0);
  return { pss: sum(/^Pss:\s+(\d+)/m) / CONTAINERS, rss: sum(/^Rss:\s+(\d+)/m) / CONTAINERS };
}
