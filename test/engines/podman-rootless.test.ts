/** podman of an ordinary user: a user namespace, and under cgroup v1 no cgroups. */
import { expect, test } from "bun:test";
import { buildScenario } from "./lib/build.ts";
import { output, useEngine } from "./lib/engine.ts";
import { lifeScenarios } from "./lib/life.ts";
import { optionScenarios } from "./lib/options.ts";
import { startRootlessPodman } from "./lib/podman.ts";
import { healthScenario, podScenario } from "./lib/podman-only.ts";

const engine = useEngine(startRootlessPodman);

lifeScenarios(engine);
optionScenarios(engine);
healthScenario(engine);
podScenario(engine);
buildScenario(engine, "podman build", ["build", "--network", "none", "--isolation", "oci"]);

test("root inside is the user outside", async () => {
  const map = (await output(engine(), [], "cat", "/proc/self/uid_map"))
    .split("\n")
    .map((line) => line.trim().split(/ +/));
  expect(map).toEqual([
    ["0", "6300", "1"],
    ["1", "700000", "65536"],
  ]);
});

test("the user's own id is kept when asked for", async () => {
  expect(await output(engine(), ["--userns", "keep-id"], "id", "-u")).toBe("6300");
});
