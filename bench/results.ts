/** What a run of the benchmark finds out, as it is written to bench/results/. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { median, medianRatio, quantile } from "./statistics.ts";

export interface Environment {
  readonly kernel: string;
  readonly distribution: string;
  readonly cpu: string;
  readonly cores: number;
  readonly cgroups: "v1" | "v2";
  /** Load average of the last minute before the run. */
  readonly load: number;
  readonly node: string;
  readonly bun: string;
}

/** Durations of one thing, by contender; the same index is the same round. */
export interface Times {
  readonly metric: string;
  /** Microseconds. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** A quantity that is found out once. */
export interface Figure {
  readonly metric: string;
  readonly unit: "KiB" | "calls";
  readonly values: Readonly<Record<string, number>>;
}

export interface Results {
  readonly date: string;
  readonly seconds: number;
  readonly environment: Environment;
  /** Version line by name. */
  readonly runtimes: Readonly<Record<string, string>>;
  readonly times: readonly Times[];
  readonly figures: readonly Figure[];
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
}

/** What is said about one contender's durations. */
export interface Summary {
  readonly median: number;
  readonly p95: number;
  /** Median of the per-round ratios to another contender, by its name: the headline. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Ratio of the medians, for comparison. */
  readonly ratiosOfMedians: Readonly<Record<string, number>>;
}

/** Runtimes that others are compared with. */
export const BASES: readonly string[] = ["runc", "crun"];

/** @param bases names of the contenders to compare with */
export function summarise({ samples }: Times, name: string, bases: readonly string[]): Summary {
  const own = samples[name] ?? [];
  const there = bases.flatMap((base) => (samples[base] === undefined ? [] : [[base, samples[base]] as const]));
  return {
    median: median(own),
    p95: quantile(own, 0.95),
    ratios: Object.fromEntries(there.map(([base, other]) => [base, medianRatio(own, other)])),
    ratiosOfMedians: Object.fromEntries(there.map(([base, other]) => [base, median(own) / median(other)])),
  };
}

/** One line of what people are shown: something of tsrunc beside what it is compared with. */
export interface Comparison {
  readonly title: string;
  readonly unit: "µs" | Figure["unit"];
  /** By `tsrunc`, `runc`, `crun` and `floor`, as far as they are there. Of times, medians. */
  readonly values: Readonly<Record<string, number>>;
  /** What the headline is: of times, the median of the ratios of each round. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** The results as comparisons. What is neither compared with nor tsrunc itself has a line of its own. */
export function comparisons({ times, figures }: Results): readonly Comparison[] {
  const others = [...BASES, "floor"];
  const ofTimes = times.flatMap((entry) => {
    const subjects = Object.keys(entry.samples).filter((name) => !others.includes(name));
    return subjects.map((name): Comparison => {
      const { ratios } = summarise(entry, name, BASES);
      const shown = { tsrunc: name, ...Object.fromEntries(others.map((other) => [other, other])) };
      const there = Object.entries(shown).filter(([, source]) => entry.samples[source] !== undefined);
      const values = there.map(([column, source]) => [column, median(entry.samples[source]!)] as const);
      const title = name === "tsrunc" ? entry.metric : `${entry.metric}, ${name}`;
      return { title, unit: "µs", values: Object.fromEntries(values), ratios };
    });
  });
  const ofFigures = figures.map(({ metric, unit, values }): Comparison => {
    const ratios = BASES.map((base) => [base, (values.tsrunc ?? Number.NaN) / (values[base] ?? Number.NaN)] as const);
    return { title: metric, unit, values, ratios: Object.fromEntries(ratios) };
  });
  return [...ofTimes, ...ofFigures];
}

/** The comparisons for a reader in a hurry: of memory, the kinds and calls that stand for the others. */
export function highlights(results: Results): readonly Comparison[] {
  const shown = (title: string) => !title.endsWith("(Rss)") && !/^peak memory, (?!run$|state$)/.test(title);
  return comparisons(results).filter(({ title }) => shown(title));
}

export function readEnvironment(cgroupVersion: 1 | 2): Environment {
  return {
    kernel: release(),
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    cgroups: `v${cgroupVersion}`,
    load: loadavg()[0] ?? 0,
    node: spawnSync("node", ["--version"], { encoding: "utf8" }).stdout.trim(),
    bun: process.versions.bun ?? "",
  };
}

/** JSON with one line for each list of samples, so that it can be read and compared. */
export function resultsText(results: Results): string {
  const medians = { ...results, summaries: summaries(results) };
  const lists: string[] = [];
  const marked = JSON.stringify(
    medians,
    (_key, value: unknown) => {
      if (!Array.isArray(value) || typeof value[0] !== "number") return value;
      return `\u0001${lists.push(JSON.stringify(value)) - 1}\u0001`;
    },
    2,
  );
  return `${marked.replace(/"\\u0001(\d+)\\u0001"/g, (_match, index: string) => lists[Number(index)] ?? "")}\n`;
}

function summaries({ times }: Results): Readonly<Record<string, Readonly<Record<string, Summary>>>> {
  const of = (entry: Times) =>
    Object.fromEntries(Object.keys(entry.samples).map((name) => [name, summarise(entry, name, BASES)]));
  return Object.fromEntries(times.map((entry) => [entry.metric, of(entry)]));
}
