/** podman as root, with conmon. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildScenario } from "./lib/build.ts";
import { background, inspect, must, output, useEngine } from "./lib/engine.ts";
import { IMAGE } from "./lib/image.ts";
import { lifeScenarios } from "./lib/life.ts";
import { limitScenarios, readLimit } from "./lib/limits.ts";
import { CGROUP_PARENT } from "./lib/manager.ts";
import { optionScenarios } from "./lib/options.ts";
import { startPodman } from "./lib/podman.ts";
import { healthScenario, podScenario } from "./lib/podman-only.ts";
import { isTsrunc, subdirectory, TAG } from "./lib/workspace.ts";

const engine = useEngine(startPodman);

lifeScenarios(engine);
optionScenarios(engine);
limitScenarios(engine);
healthScenario(engine);
podScenario(engine);
buildScenario(engine, "podman build", [
  "build",
  "--network",
  "none",
  "--isolation",
  "oci",
  "--cgroup-parent",
  `/${TAG}/build`,
]);

test("a pod has a cgroup of its own, with its members in it", async () => {
  await must(engine(), [
    "pod",
    "create",
    "--name",
    "group",
    "--network",
    "none",
    "--cgroup-parent",
    CGROUP_PARENT,
    "--memory",
    "64m",
  ]);
  const id = await must(engine(), ["run", "-d", "--pod", "group", "--memory", "32m", IMAGE, "sleep", "1000"]);
  const pid = await inspect(engine(), id, "{{.State.Pid}}");
  expect(readLimit(pid, "memory")).toBe(`${32 << 20}`);
});

test("a container in a user namespace of its own", async () => {
  const flags = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
  expect(await output(engine(), flags, "sh", "-c", "id -u; cat /proc/self/uid_map | tr -s ' '")).toBe(
    "0\n 0 100000 65536",
  );
});

test("hooks that podman is told of are run", async () => {
  const directory = subdirectory("hooks");
  const program = path.join(directory, "hook.sh");
  const seen = path.join(directory, "seen");
  writeFileSync(program, `#!/bin/sh\n{ printf '%s ' "$1"; cat; echo; } >>${seen}\n`);
  chmodSync(program, 0o755);
  for (const stage of ["createRuntime", "poststart", "poststop"]) {
    const hook = {
      version: "1.0.0",
      hook: { path: program, args: ["hook", stage] },
      when: { always: true },
      stages: [stage],
    };
    writeFileSync(path.join(directory, `${stage}.json`), JSON.stringify(hook));
  }
  const withHooks = { ...engine(), client: [...engine().client, "--hooks-dir", directory] };
  const id = await background(withHooks, [], "true");
  await must(withHooks, ["wait", id]);
  await must(withHooks, ["rm", "-f", id]);
  const lines = (await must({ ...engine(), client: ["cat"] }, [seen])).split("\n").filter((line) => line !== "");
  const states = lines.map((line) => [line.split(" ")[0], JSON.parse(line.slice(line.indexOf("{"))).id]);
  expect(states).toEqual(["createRuntime", "poststart", "poststop"].map((stage) => [stage, id]));
});

// podman does not ask this of runc.
if (isTsrunc())
  test("a container without a cgroup of its own", async () => {
    const script = "cut -d: -f3 /proc/self/cgroup | sort -u";
    const flags = ["run", "--rm", "--network", "none", "--cgroups", "disabled", "--cgroupns", "host"];
    expect(await must(engine(), [...flags, IMAGE, "sh", "-c", script])).not.toContain("libpod-");
  });
