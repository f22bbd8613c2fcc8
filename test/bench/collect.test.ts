import { expect, test } from "bun:test";
import { collect } from "../../bench/collect.ts";
import type { Contender, Series } from "../../bench/series/series.ts";

/** A contender that notes its turns, and says how often it has been measured. */
function contender(name: string, turns: string[], fails = false): Contender {
  let calls = 0;
  return {
    name,
    measure: async () => {
      if (fails) throw new Error("not here");
      turns.push(name);
      return [{ metric: "m", ns: ++calls, maxRssKib: 7 }];
    },
  };
}

const nothing = () => {};

test("in each round every contender has one turn, in changing order, and the same index is the same round", async () => {
  const turns: string[] = [];
  const series: Series = { name: "s", rounds: 40, contenders: [contender("a", turns), contender("b", turns)] };
  const { times, peaks, failures } = await collect([series], nothing, nothing);
  const rounds = turns.slice(6).join("").match(/../g) ?? [];
  expect([...new Set(rounds)].sort()).toEqual(["ab", "ba"]);
  expect(rounds).toHaveLength(40);
  // What was measured three times before, to warm up, is not among the samples.
  const samples = Array.from({ length: 40 }, (_, index) => index + 4);
  expect(times.get("m")?.get("a")).toEqual(samples);
  expect(times.get("m")?.get("b")).toEqual(samples);
  expect(peaks.get("m")?.get("a")).toEqual(samples.map(() => 7));
  expect(failures).toEqual([]);
});

test("rounds of different series are mixed", async () => {
  const turns: string[] = [];
  const series = ["a", "b"].map((name) => ({ name, rounds: 30, contenders: [contender(name, turns)] }));
  await collect(series, nothing, nothing);
  const changes = turns.slice(6).filter((name, index, all) => index > 0 && name !== all[index - 1]);
  expect(changes.length).toBeGreaterThan(10);
});

test("who fails at once is cleared up after, left out and named", async () => {
  let cleared = 0;
  const contenders = [contender("a", []), contender("b", [], true)];
  const { times, failures } = await collect([{ name: "s", rounds: 2, contenders }], () => void cleared++, nothing);
  expect([...(times.get("m")?.keys() ?? [])]).toEqual(["a"]);
  expect(failures).toEqual(["s, b: not here"]);
  expect(cleared).toBe(1);
});

test("who fails later ends the run", async () => {
  let calls = 0;
  const measure = async () => {
    if (++calls > 4) throw new Error("left a cgroup");
    return [];
  };
  const run = collect([{ name: "s", rounds: 5, contenders: [{ name: "a", measure }] }], nothing, nothing);
  await expect(run).rejects.toThrow("left a cgroup");
});
