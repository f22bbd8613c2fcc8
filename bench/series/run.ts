/** `run` of a static `true`, to the end of the runtime: alone and many at once. */
import path from "node:path";
import type { Bench } from "../bench.ts";
import type { Bundle, Variant } from "../bundle.ts";
import { call, type Runtime } from "../runtimes.ts";
import { type Contender, type Series, samplesOf } from "./series.ts";

/** One container: what engines give it, and less. */
export function runSeries(bench: Bench, name: string, variant: Variant, rounds: number): Series {
  const bundle = bench.bundles.write(name.replace(/[^a-z]+/g, "-"), variant);
  const contenders = bench.runtimes.map((runtime) => {
    const words = call(runtime, "run", "--bundle", bundle.directory, bundle.id);
    return contender(bench, name, runtime.name, runtime, bundle, words);
  });
  // It has no filter.
  if (variant.seccomp !== true) contenders.push(floor(bench, name, bundle, variant));
  return { name, rounds, contenders };
}

function contender(
  bench: Bench,
  metric: string,
  name: string,
  runtime: Runtime | undefined,
  bundle: Bundle,
  words: readonly string[],
): Contender {
  const step = { run: [words] };
  const measure = async () => samplesOf([[metric, step]], await bench.measure(runtime, [bundle], [step]));
  return { name, measure };
}

function floor(bench: Bench, metric: string, bundle: Bundle, { network = true }: Variant): Contender {
  const { version } = bench.cgroups;
  const settings = [bench.bundles.rootfs, network ? "1" : "0", `${version}`, ...bench.cgroups.of(bundle.id)];
  const words = [path.join(bench.programs, "floor"), ...settings, "--", "/true"];
  return contender(bench, metric, "floor", undefined, bundle, words);
}

/** `count` containers started at the same moment, until the last one has gone: wall time per container. */
export function parallelSeries(bench: Bench, count: number, rounds: number): Series {
  const name = `run, ${count} at once`;
  const bundles = Array.from({ length: count }, (_, index) => bench.bundles.write(`at-once-${index}`));
  const contenders = bench.runtimes.map((runtime) => {
    const run = bundles.map(({ id, directory }) => call(runtime, "run", "--bundle", directory, id));
    const measure = async () => [{ metric: name, ns: (await bench.measure(runtime, bundles, [{ run }])).ns / count }];
    return { name: runtime.name, measure };
  });
  return { name, rounds, contenders };
}
