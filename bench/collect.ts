/** Takes the samples of all series in one run, so that a slow minute of the machine is everybody's. */
import type { Contender, Sample, Series } from "./series/series.ts";
import { shuffled } from "./statistics.ts";

const WARM_UPS = 3;

/** Lists of samples by metric, then by contender, in the order of the series. */
export type Collected = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

export interface Collection {
  /** Nanoseconds. */
  readonly times: Collected;
  /** KiB. */
  readonly peaks: Collected;
  /** Contenders that did not survive the warm-up, with the reason. */
  readonly failures: readonly string[];
}

/**
 * Rounds of all series in random order; in each, the contenders in random order.
 *
 * @param clear removes what a contender that fails has left
 * @throws Error when a contender fails after it has been warmed up
 */
export async function collect(
  series: readonly Series[],
  clear: () => void,
  progress: (done: number, of: number) => void,
): Promise<Collection> {
  const collector = new Collector();
  const failures: string[] = [];
  const rounds: (readonly Contender[])[] = [];
  for (const one of series) {
    const ready = await warmUp(one, collector, failures, clear);
    for (let i = 0; i < one.rounds; i++) rounds.push(ready);
  }
  for (const [done, contenders] of shuffled(rounds).entries()) {
    progress(done, rounds.length);
    for (const contender of shuffled(contenders)) collector.add(contender, await contender.measure());
  }
  progress(rounds.length, rounds.length);
  return { times: collector.times, peaks: collector.peaks, failures };
}

/** Fills caches, and finds who cannot do what: they are left out. @returns who can */
async function warmUp(
  { name, rounds, contenders }: Series,
  collector: Collector,
  failures: string[],
  clear: () => void,
): Promise<readonly Contender[]> {
  const ready: Contender[] = [];
  for (const contender of contenders) {
    try {
      let samples: readonly Sample[] = [];
      for (let i = 0; i < Math.min(rounds, WARM_UPS); i++) samples = await contender.measure();
      collector.expect(contender, samples);
      ready.push(contender);
    } catch (error) {
      failures.push(`${name}, ${contender.name}: ${(error as Error).message}`);
      clear();
    }
  }
  return ready;
}

class Collector {
  readonly times = new Map<string, Map<string, number[]>>();
  readonly peaks = new Map<string, Map<string, number[]>>();

  /** Makes empty lists for what samples like these will be put into. */
  expect({ name }: Contender, samples: readonly Sample[]): void {
    for (const { metric, maxRssKib } of samples) {
      list(this.times, metric, name);
      if (maxRssKib !== undefined) list(this.peaks, metric, name);
    }
  }

  add({ name }: Contender, samples: readonly Sample[]): void {
    for (const { metric, ns, maxRssKib } of samples) {
      list(this.times, metric, name).push(ns);
      if (maxRssKib !== undefined) list(this.peaks, metric, name).push(maxRssKib);
    }
  }
}

function list(lists: Map<string, Map<string, number[]>>, metric: string, name: string): number[] {
  const row = lists.get(metric) ?? new Map<string, number[]>();
  lists.set(metric, row);
  const found = row.get(name) ?? [];
  row.set(name, found);
  return found;
}
