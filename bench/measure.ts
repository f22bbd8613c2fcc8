/** All that one run of the benchmark measures. */
import process from "node:process";
import type { Bench } from "./bench.ts";
import type { Variant } from "./bundle.ts";
import { type Collected, collect } from "./collect.ts";
import type { Options } from "./options.ts";
import { type Figure, type Results, readEnvironment, type Times } from "./results.ts";
import type { Runtime } from "./runtimes.ts";
import { librarySeries } from "./series/library.ts";
import { smallestLimit } from "./series/memory-limit.ts";
import { residentMemory } from "./series/resident.ts";
import { parallelSeries, runSeries } from "./series/run.ts";
import type { Series } from "./series/series.ts";
import { countSystemCalls } from "./series/system-calls.ts";
import { lifecycleSeries, verbsSeries } from "./series/verbs.ts";
import { median } from "./statistics.ts";

/** Calls whose peak of memory is of interest: other variants of `run` need as much. */
const PEAKS = ["run", "run, seccomp", "create", "start", "state", "exec", "kill", "delete"];

export async function measureAll(bench: Bench, options: Options): Promise<Results> {
  const begin = performance.now();
  const environment = readEnvironment(bench.cgroups.version);
  const failures: string[] = [];
  const series = timedSeries(bench, options, failures);
  const { times, peaks, failures: unfit } = await collect(series, () => bench.clear(), showProgress);
  for (const one of series) one.close?.();
  const figures = await singleFigures(bench, options);
  return {
    date: new Date().toISOString(),
    seconds: Math.round((performance.now() - begin) / 1000),
    environment,
    runtimes: Object.fromEntries(bench.runtimes.map(({ name, version }) => [name, version])),
    times: asTimes(times),
    figures: [...figures.figures, ...asPeaks(peaks, bench.runtimes)],
    failures: [...failures, ...unfit, ...figures.failures],
  };
}

function wanted({ only }: Options, name: string): boolean {
  return only.length === 0 || only.includes(name);
}

/** A series that cannot even be made, for want of a file, is left out and said. */
function timedSeries(bench: Bench, options: Options, failures: string[]): readonly Series[] {
  const { count } = options;
  const few = (divisor: number) => Math.max(1, Math.round(count / divisor));
  const run = (name: string, variant: Variant) => ["run", name, () => runSeries(bench, name, variant, count)] as const;
  const makers: readonly (readonly [kind: string, name: string, make: () => Series])[] = [
    run("run", {}),
    run("run, seccomp", { seccomp: true }),
    run("run, host's network", { network: false }),
    run("run, seccomp, host's network", { network: false, seccomp: true }),
    ["verbs", "verbs", () => verbsSeries(bench, count)],
    ["lifecycle", "lifecycle", () => lifecycleSeries(bench, count)],
    ["parallel", "8 at once", () => parallelSeries(bench, 8, few(4))],
    ["parallel", "64 at once", () => parallelSeries(bench, 64, few(16))],
    ["library", "library", () => librarySeries(bench, count)],
  ];
  return makers
    .filter(([kind]) => wanted(options, kind))
    .flatMap(([, name, make]) => {
      try {
        return [make()];
      } catch (error) {
        failures.push(`${name}: ${(error as Error).message}`);
        return [];
      }
    });
}

/** What is found out once for each runtime; one that fails is left out and said. */
async function singleFigures(bench: Bench, options: Options) {
  const found = new Map<string, Figure & { readonly values: Record<string, number> }>();
  const failures: string[] = [];
  const makers = { memory: limitFigures, resident: residentFigures, calls: callFigures } as const;
  for (const [name, make] of Object.entries(makers)) {
    for (const runtime of wanted(options, name) ? bench.runtimes : []) {
      try {
        for (const [metric, unit, value] of await make(bench, runtime, options)) {
          const figure = found.get(metric) ?? { metric, unit, values: {} };
          figure.values[runtime.name] = value;
          found.set(metric, figure);
        }
      } catch (error) {
        failures.push(`${name}, ${runtime.name}: ${(error as Error).message}`);
        bench.clear();
      }
    }
  }
  return { figures: [...found.values()], failures };
}

type Found = readonly (readonly [metric: string, unit: Figure["unit"], value: number])[];

async function limitFigures(bench: Bench, runtime: Runtime, { quick }: Options): Promise<Found> {
  const limit = await smallestLimit(bench, runtime, quick ? 2 : 8);
  return limit === undefined ? [] : [["smallest memory limit", "KiB", limit / 1024]];
}

async function residentFigures(bench: Bench, runtime: Runtime): Promise<Found> {
  const { created, started, foreground } = await residentMemory(bench, runtime);
  return [
    ["resident, created (Pss)", "KiB", created.pss],
    ["resident, created (Rss)", "KiB", created.rss],
    ["resident, started (Pss)", "KiB", started.pss],
    ["resident, foreground run (Pss)", "KiB", foreground.pss],
    ["resident, foreground run (Rss)", "KiB", foreground.rss],
  ];
}

async function callFigures(bench: Bench, runtime: Runtime): Promise<Found> {
  return [["system calls of run", "calls", countSystemCalls(bench, runtime)]];
}

function asTimes(collected: Collected): readonly Times[] {
  return [...collected].map(([metric, lists]) => {
    const samples = [...lists].map(([name, list]) => [name, list.map((ns) => Math.round(ns / 1000))]);
    return { metric, samples: Object.fromEntries(samples) };
  });
}

function asPeaks(collected: Collected, runtimes: readonly Runtime[]): readonly Figure[] {
  return PEAKS.flatMap((metric) => {
    const lists = collected.get(metric);
    if (lists === undefined) return [];
    // The kernel counts pages in batches: of what is as small as the floor it says 0.
    const names = runtimes.map(({ name }) => name).filter((name) => lists.has(name));
    const values = Object.fromEntries(names.map((name) => [name, median(lists.get(name) ?? [])]));
    return [{ metric: `peak memory, ${metric}`, unit: "KiB", values }];
  });
}

function showProgress(done: number, of: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(done === of ? "\r\u001b[K" : `\r${Math.floor((100 * done) / of)} %`);
}
