/** What takes cgroups: limits, statistics, freezing, devices; the same for Docker and podman. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { background, call, container, type Engine, inspect, must, output } from "./engine.ts";
import { CGROUP_PARENT, V2 } from "./manager.ts";
import { workingDirectory } from "./room.ts";
import { until } from "./run.ts";

/** Files that hold a limit: name under version 1 (with its hierarchy) and under version 2. */
const FILES = {
  memory: ["memory/memory.limit_in_bytes", "memory.max"],
  quota: ["cpu/cpu.cfs_quota_us", "cpu.max"],
  pids: ["pids/pids.max", "pids.max"],
  cpus: ["cpuset/cpuset.cpus", "cpuset.cpus"],
} as const;

/** Reads a limit of a running container from outside. */
export function readLimit(pid: string, name: keyof typeof FILES): string {
  const [one, two] = FILES[name];
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  if (V2) {
    const [, , group = ""] = groups[0]?.split(":") ?? [];
    return (
      readFileSync(path.join("/sys/fs/cgroup", group, two), "utf8")
        .trim()
        .split(" ")[0] ?? ""
    );
  }
  const [controller = "", file = ""] = one.split("/");
  const line = groups.find((each) => each.split(":")[1]?.split(",").includes(controller));
  return readFileSync(path.join("/sys/fs/cgroup", controller, line?.split(":")[2] ?? "", file), "utf8").trim();
}

export function limitScenarios(engine: () => Engine): void {
  const pidOf = async (id: string): Promise<string> => await inspect(engine(), id, "{{.State.Pid}}");

  test("limits of memory, processor time, processors and processes", async () => {
    const flags = ["--memory", "32m", "--cpus", "0.5", "--cpuset-cpus", "0", "--pids-limit", "12"];
    const id = await background(engine(), flags, "sleep", "1000");
    const pid = await pidOf(id);
    expect([readLimit(pid, "memory"), readLimit(pid, "quota"), readLimit(pid, "cpus"), readLimit(pid, "pids")]).toEqual(
      [`${32 << 20}`, "50000", "0", "12"],
    );
    const own = CGROUP_PARENT.replace(/^\/?/, "/");
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toMatch(new RegExp(`${own}/\\S*${id}(\\.scope)?$`, "m"));
    const file = `/sys/fs/cgroup/${FILES.pids[V2 ? 1 : 0]}`;
    const script = `nproc; cat ${file}; (echo 99 >${file}) 2>&1`;
    const seen = (await call(engine(), ["exec", id, "sh", "-c", script])).stdout;
    expect(seen).toBe(`1\n12\nsh: can't create ${file}: Read-only file system\n`);
  });

  test("update changes the limits of a running container", async () => {
    const id = await background(
      engine(),
      ["--memory", "32m", "--memory-swap", "64m", "--cpus", "0.5"],
      "sleep",
      "1000",
    );
    await must(engine(), ["update", "--memory", "48m", "--cpus", "0.25", id]);
    const pid = await pidOf(id);
    expect([readLimit(pid, "memory"), readLimit(pid, "quota")]).toEqual([`${48 << 20}`, "25000"]);
  });

  test("the limit of processes holds", async () => {
    const script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait";
    const result = await container(engine(), ["--rm", "--pids-limit", "5"], ["sh", "-c", script]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("can't fork");
  });

  test("a container out of memory is killed, and the engine says so", async () => {
    const flags = ["--memory", "24m", "--memory-swap", "24m"];
    const id = await background(
      engine(),
      flags,
      "sh",
      "-c",
      "head -c 200000000 /dev/zero | tail -n 1 >/dev/null; status=$?; sleep 1; exit $status",
    );
    expect(await must(engine(), ["wait", id])).toBe("137");
    // Debian's conmon writes down what it sees in its working directory, where podman does not look for it.
    const seen = existsSync(path.join(workingDirectory(), "oom"));
    expect([await inspect(engine(), id, "{{.State.OOMKilled}}"), seen]).toContain(
      engine().name === "docker" ? "true" : true,
    );
  });

  test("pause holds a container, unpause lets it go on", async () => {
    const id = await background(engine(), [], "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done");
    await until("the first line", async () => await must(engine(), ["logs", "--tail", "1", id]));
    await must(engine(), ["pause", id]);
    expect(await inspect(engine(), id, "{{.State.Status}}")).toBe("paused");
    const held = await must(engine(), ["logs", "--tail", "1", id]);
    await Bun.sleep(300);
    expect(await must(engine(), ["logs", "--tail", "1", id])).toBe(held);
    await must(engine(), ["unpause", id]);
    await until("more lines", async () => (await must(engine(), ["logs", "--tail", "1", id])) !== held);
    expect(await inspect(engine(), id, "{{.State.Status}}")).toBe("running");
  });

  test("a paused container is removed by force", async () => {
    const id = await background(engine(), [], "sleep", "1000");
    await must(engine(), ["pause", id]);
    await must(engine(), ["rm", "-f", id]);
  });

  test("statistics of a running container", async () => {
    const id = await background(engine(), ["--memory", "64m"], "sh", "-c", "sleep 1000 & sleep 1000 & wait");
    const printed = await must(engine(), ["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", id]);
    expect(printed).toMatch(/^[\d.]+[kKM]i?B \/ (64MiB|67.11MB) 3$/);
  });

  test("devices: those given can be used, others cannot", async () => {
    const flags = ["--device", "/dev/fuse:/dev/mine:r"];
    const script = [
      "(: </dev/mine) && echo readable",
      "(: >/dev/mine) 2>&1",
      "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem 2>&1",
      "mknod /tmp/null c 1 3 && echo x >/tmp/null && echo fine",
    ];
    const printed = await output(engine(), flags, "sh", "-c", script.join("; "));
    expect(printed.split("\n")).toEqual([
      "readable",
      expect.stringContaining("Operation not permitted"),
      expect.stringContaining("Operation not permitted"),
      "fine",
    ]);
  });
}
