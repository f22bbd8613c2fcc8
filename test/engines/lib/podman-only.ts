/** What podman has and Docker has not, or has in another way. */
import { expect, test } from "bun:test";
import { background, call, type Engine, must } from "./engine.ts";
import { IMAGE } from "./image.ts";

/** A health check: without systemd nothing runs it by itself. */
export function healthScenario(engine: () => Engine): void {
  test("a health check", async () => {
    const flags = ["--health-cmd", "test -e /tmp/fine", "--health-interval", "disable", "--health-retries", "1"];
    const id = await background(engine(), flags, "sleep", "1000");
    expect((await call(engine(), ["healthcheck", "run", id])).code).toBe(1);
    await must(engine(), ["exec", id, "touch", "/tmp/fine"]);
    expect((await call(engine(), ["healthcheck", "run", id])).code).toBe(0);
  });
}

/** A pod with shared namespaces, stopped, started and removed as a whole. */
export function podScenario(engine: () => Engine): void {
  test("a pod: two containers that share namespaces", async () => {
    const parent = engine().runFlags.filter((_, at, all) => [all[at], all[at - 1]].includes("--cgroup-parent"));
    const flags = [
      "--name",
      "pod",
      "--share",
      "net,ipc,uts,pid",
      "--network",
      "none",
      "--hostname",
      "podded",
      ...parent,
    ];
    await must(engine(), ["pod", "create", ...flags]);
    const start = ["run", "-d", "--pod", "pod", "--env", engine().runFlags.at(-1) as string];
    const ids = [];
    for (const name of ["one", "two"])
      ids.push(await must(engine(), [...start, "--name", name, IMAGE, "sleep", "1000"]));
    const script = "hostname; for n in net ipc uts pid; do readlink /proc/self/ns/$n; done";
    const [one, two] = await Promise.all(ids.map(async (id) => await must(engine(), ["exec", id, "sh", "-c", script])));
    expect(one).toStartWith("podded\nnet:");
    expect(two).toBe(one as string);
    expect(await must(engine(), ["exec", "one", "ps"])).toMatch(/catatonit[\s\S]*sleep 1000[\s\S]*sleep 1000/);
    await must(engine(), ["pod", "stop", "-t", "1", "pod"]);
    expect(await must(engine(), ["pod", "ps", "--format", "{{.Status}}"])).toBe("Exited");
    await must(engine(), ["pod", "start", "pod"]);
    expect(await must(engine(), ["exec", "two", "hostname"])).toBe("podded");
    await must(engine(), ["pod", "rm", "-f", "-t", "0", "pod"]);
  });
}
