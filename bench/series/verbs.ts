/** Verbs one by one, and a container's life in five of them. */
import type { Bench } from "../bench.ts";
import type { Bundle } from "../bundle.ts";
import type { Answer } from "../launcher.ts";
import { call, type Runtime } from "../runtimes.ts";
import { type Contender, type NamedStep, type Series, samplesOf } from "./series.ts";

/** Each verb as an engine calls it, in the order of a container's life. `run` is a series of its own. */
export function verbsSeries(bench: Bench, rounds: number): Series {
  const bundle = bench.bundles.write("verbs", { sleeps: true });
  const contenders = bench.runtimes.map((runtime): Contender => {
    const { create, start, kill, wait, remove } = lifeOf(runtime, bundle);
    const state: NamedStep = ["state", { run: [call(runtime, "state", bundle.id)] }];
    const exec: NamedStep = ["exec", { run: [call(runtime, "exec", bundle.id, "/true")] }];
    const steps = [create, start, state, exec, kill, wait, remove];
    const measure = async () => {
      const answer = await bench.measure(
        runtime,
        [bundle],
        steps.map(([, step]) => step),
      );
      checkState(answer);
      return samplesOf(steps, answer);
    };
    return { name: runtime.name, measure };
  });
  return { name: "verbs", rounds, contenders };
}

/** create → start → kill KILL → wait until the process has ended → delete, without `--force`. */
export function lifecycleSeries(bench: Bench, rounds: number): Series {
  const bundle = bench.bundles.write("lifecycle", { sleeps: true });
  const contenders = bench.runtimes.map((runtime): Contender => {
    const { create, start, kill, wait, remove } = lifeOf(runtime, bundle);
    const steps = [create, start, kill, wait, remove].map(([, step]) => step);
    const measure = async () => [{ metric: "lifecycle", ns: (await bench.measure(runtime, [bundle], steps)).ns }];
    return { name: runtime.name, measure };
  });
  return { name: "lifecycle", rounds, contenders };
}

/** The steps of a container that sleeps until it is killed. */
export function lifeOf(runtime: Runtime, { id, directory, pidFile }: Bundle) {
  const words = ["--bundle", directory, "--pid-file", pidFile, id];
  return {
    create: ["create", { run: [call(runtime, "create", ...words)] }],
    start: ["start", { run: [call(runtime, "start", id)] }],
    kill: ["kill", { run: [call(runtime, "kill", id, "KILL")] }],
    wait: [undefined, { waitFor: pidFile }],
    remove: ["delete", { run: [call(runtime, "delete", id)] }],
  } as const satisfies Record<string, NamedStep>;
}

function checkState({ output }: Answer): void {
  if (!/"status":\s*"running"/.test(output)) throw new Error(`\`state\` says of a running container: ${output.trim()}`);
}
