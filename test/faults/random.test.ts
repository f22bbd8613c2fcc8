/** Signals at any moment, between ops and in the middle of them. Root only. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { config, DIRECTORY, makeBundle, ROOT, removeAll, TAG, writeConfig } from "./lib/bundle.ts";
import { COMMAND, tsrunc, type Verb } from "./lib/run.ts";
import { deleteProblems } from "./lib/sweep.ts";

const RUNS = 60;
const LONGEST_MS = 40;

setDefaultTimeout(300_000);
afterAll(removeAll);

/** The same numbers in every run: what fails can be repeated, as far as time can. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

test.each(["create", "run"] satisfies Verb[])(
  "%s: what a signal at any moment leaves is taken away by delete --force",
  async (verb) => {
    mkdirSync(DIRECTORY, { recursive: true });
    const bundle = makeBundle(`${TAG}-random`, {});
    const random = numbers(20_261_121);
    const problems: string[] = [];
    for (let i = 0; i < RUNS; i++) {
      const id = `${TAG}-random-${verb}-${i}`;
      const signal = (["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const)[i % 4] ?? "SIGKILL";
      writeConfig(bundle, config(id, "sleep 1000"));
      const child = Bun.spawn([...COMMAND, verb, "--bundle", bundle, id], { stdio: ["ignore", "ignore", "ignore"] });
      await Bun.sleep(random.next().value * LONGEST_MS);
      child.kill(signal);
      // In the foreground the signal may have been the container's, whose shell's child does not mind it.
      const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(100).then(() => false)]);
      const found = await deleteProblems(id);
      if (!ended) await child.exited;
      problems.push(...found.map((text) => `${id} ${signal}: ${text}`));
    }
    expect(problems).toEqual([]);
  },
);

test("directories that were never given their name go with the next create", async () => {
  const id = `${TAG}-random-last`;
  const bundle = makeBundle(`${TAG}-random-last`, config(id, "exit 0"));
  expect((await tsrunc(["run", "--bundle", bundle, id])).status).toBe(0);
  expect(readdirSync(ROOT)).toEqual([]);
});
