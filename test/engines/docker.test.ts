/** Docker: dockerd, its containerd and its client, with the runtime as the default one. */
import { expect, test } from "bun:test";
import { buildScenario } from "./lib/build.ts";
import { startDocker } from "./lib/docker.ts";
import { background, inspect, must, useEngine } from "./lib/engine.ts";
import { lifeScenarios } from "./lib/life.ts";
import { limitScenarios } from "./lib/limits.ts";
import { optionScenarios } from "./lib/options.ts";
import { until } from "./lib/run.ts";
import { isTsrunc } from "./lib/workspace.ts";

const engine = useEngine(startDocker);

lifeScenarios(engine);
optionScenarios(engine);
limitScenarios(engine);
buildScenario(engine, "docker build", ["build", "--network", "none"], { DOCKER_BUILDKIT: "0" });
buildScenario(engine, "docker build with BuildKit", ["build", "--network", "none"], { DOCKER_BUILDKIT: "1" });

test("info names the runtime as the default one, and Docker understands its version", async () => {
  const info = JSON.parse(await must(engine(), ["info", "--format", "{{json .}}"]));
  expect(info.DefaultRuntime).toBe("tsrunc");
  expect(info.RuncCommit.ID).not.toBe("N/A");
  if (isTsrunc()) expect(info.Warnings ?? []).not.toContainEqual(expect.stringContaining("runc"));
});

test("a health check", async () => {
  const flags = ["--health-cmd", "test -e /tmp/fine", "--health-interval", "200ms", "--health-retries", "1"];
  const id = await background(engine(), flags, "sleep", "1000");
  const health = async (): Promise<string> => await inspect(engine(), id, "{{.State.Health.Status}}");
  await until("the container to be unhealthy", async () => (await health()) === "unhealthy");
  await must(engine(), ["exec", id, "touch", "/tmp/fine"]);
  await until("the container to be healthy", async () => (await health()) === "healthy");
  expect(await health()).toBe("healthy");
});
