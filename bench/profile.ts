/** Where tsrunc's own time goes: medians of what `--timings` says of each verb that has it. */
import type { Bench } from "./bench.ts";
import type { Answer, Step } from "./launcher.ts";
import type { Runtime } from "./runtimes.ts";
import { call } from "./runtimes.ts";
import { lifeOf } from "./series/verbs.ts";
import { median } from "./statistics.ts";

/** Microseconds by lane and by what was done there; ops of one kind are added up. */
export type Profile = ReadonlyMap<string, number>;

/** The rows of `--timings`: start, duration, lane, bar, name. */
export function parseTimings(text: string): Profile {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, duration, lane, name] = /^\s*\d+\s+(\d+)\s{2}(\w+)\s+[█·]+\s+(.+)$/.exec(line) ?? [];
    if (lane === undefined || name === undefined) continue;
    // Of an op, the first word: there is a `mount` for each mount. Phases of TypeScript have names of several.
    const key = `${lane}: ${lane === "tsrunc" ? name : name.split(" ")[0]}`;
    sums.set(key, (sums.get(key) ?? 0) + Number(duration));
  }
  return sums;
}

/** Medians by key, greatest first; a key that a run lacks counts as 0 there. */
export function medianProfile(profiles: readonly Profile[]): readonly (readonly [string, number])[] {
  const keys = new Set(profiles.flatMap((profile) => [...profile.keys()]));
  const medians = [...keys].map((key) => [key, median(profiles.map((profile) => profile.get(key) ?? 0))] as const);
  return medians.sort((a, b) => b[1] - a[1]);
}

/** Text for the terminal. */
export async function profileText(bench: Bench, tsrunc: Runtime, rounds: number): Promise<string> {
  const seen: Record<string, Profile[]> = { create: [], exec: [], run: [] };
  for (let i = 0; i < rounds; i++) {
    for (const [verb, profile] of await profilesOfLife(bench, tsrunc)) seen[verb]?.push(profile);
  }
  const parts = Object.entries(seen).map(([verb, profiles]) => {
    const rows = medianProfile(profiles).filter(([, us]) => us >= 10);
    const lines = rows.map(([key, us]) => `${us.toFixed(0).padStart(8)}  ${key}`);
    return [`tsrunc ${verb}, medians of ${rounds} in µs:`, ...lines, ""].join("\n");
  });
  return parts.join("\n");
}

async function profilesOfLife(bench: Bench, tsrunc: Runtime): Promise<readonly (readonly [string, Profile])[]> {
  const bundle = bench.bundles.write("profile", { sleeps: true });
  const short = bench.bundles.write("profile-run");
  const { start, kill, wait, remove } = lifeOf(tsrunc, bundle);
  const timed = (...words: string[]): Step => ({ run: [call(tsrunc, ...words)] });
  const perform = async (step: Step): Promise<Answer> => bench.perform([step]);
  const { id, directory, pidFile } = bundle;
  const create = await perform(timed("create", "--timings", "--bundle", directory, "--pid-file", pidFile, id));
  await perform(start[1]);
  const exec = await perform(timed("exec", "--timings", id, "/true"));
  await bench.measure(tsrunc, [bundle], [kill[1], wait[1], remove[1]]);
  const run = await perform(timed("run", "--timings", "--bundle", short.directory, short.id));
  const outputs = { create, exec, run };
  return Object.entries(outputs).map(([verb, { output }]) => [verb, parseTimings(output)] as const);
}
