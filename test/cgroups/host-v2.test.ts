// Runs the ops of a plan on a pure cgroup v2 host, as root; elsewhere only the layout is looked at.
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import {
  type CgroupInput,
  type CgroupPlan,
  freezePlan,
  isFrozen,
  listPids,
  oomCount,
  planCgroup,
  readCgroupFacts,
  readStats,
  removePlan,
  updatePlan,
} from "../../src/cgroups/index.ts";
import { cleanUp, execute } from "./interpreter.ts";

const facts = readCgroupFacts();
const runs = process.getuid?.() === 0 && facts.mode === "v2";
let counter = 0;

async function withCgroup(
  resources: CgroupInput["resources"],
  body: (plan: CgroupPlan, read: (file: string) => string) => void | Promise<void>,
): Promise<void> {
  const cgroupsPath = `/tsrunc-test-${process.pid}-${counter++}/c`;
  const input: CgroupInput = {
    id: "c",
    cgroupsPath,
    manager: "cgroupfs",
    rootless: false,
    skipDevices: true,
    resources,
  };
  const plan = planCgroup(input, facts);
  const directory = plan.into ?? "";
  try {
    execute(plan.prepare);
    await body(plan, (file) => readFileSync(`${directory}/${file}`, "utf8").trim());
  } finally {
    cleanUp([directory]);
  }
  expect(existsSync(directory)).toBe(false);
}

if (runs) {
  test("limits arrive in /sys, with every controller", () =>
    withCgroup(
      {
        memory: { limit: 64 << 20, reservation: 32 << 20, swap: 128 << 20 },
        cpu: { shares: 512, quota: 50000, period: 20000, burst: 10000, cpus: "0" },
        pids: { limit: 33 },
        unified: { "memory.high": `${48 << 20}` },
      },
      (_, read) => {
        expect(read("cgroup.controllers")).toBe(readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim());
        expect(read("memory.max")).toBe(`${64 << 20}`);
        expect(read("memory.swap.max")).toBe(`${64 << 20}`);
        expect(read("memory.low")).toBe(`${32 << 20}`);
        expect(read("memory.high")).toBe(`${48 << 20}`);
        expect(read("cpu.weight")).toBe("59");
        expect(read("cpu.max")).toBe("50000 20000");
        expect(read("cpu.max.burst")).toBe("10000");
        expect(read("cpuset.cpus")).toBe("0");
        expect(read("pids.max")).toBe("33");
      },
    ));

  test("updates up and down never fail for their order", () =>
    withCgroup(
      { memory: { limit: 64 << 20, swap: 64 << 20 }, cpu: { quota: 5000, burst: 5000 } },
      ({ record }, read) => {
        const update = (resources: NonNullable<CgroupInput["resources"]>) =>
          execute(updatePlan(resources, record, facts).ops);
        expect(read("memory.swap.max")).toBe("0");
        update({ memory: { limit: 32 << 20 }, cpu: { quota: 600_000, period: 900_000, burst: 600_000 } });
        expect(read("memory.swap.max")).toBe(`${32 << 20}`);
        expect(read("cpu.max")).toBe("600000 900000");
        update({ cpu: { quota: 2000, burst: 1000 } });
        expect(read("cpu.max")).toBe("2000 900000");
        expect(read("cpu.max.burst")).toBe("1000");
        update({ cpu: { quota: -1, idle: 1, shares: 100 }, memory: { limit: -1 }, pids: { limit: 0 } });
        expect([read("cpu.max"), read("cpu.idle"), read("memory.max"), read("pids.max")]).toEqual([
          "max 900000",
          "1",
          "max",
          "1",
        ]);
        update({ cpu: { idle: 0, shares: 1024 } });
        expect(read("cpu.weight")).toBe("100");
      },
    ));

  test("a process: listed, counted, frozen, thawed, gone", () =>
    withCgroup({ pids: { limit: 5 } }, async ({ record, into }) => {
      const child = spawn("sleep", ["60"], { stdio: "ignore" });
      const pid = child.pid ?? 0;
      const exited = once(child, "exit");
      try {
        execute([{ op: "attach", path: `${into}/cgroup.procs`, ignore: [] }], pid);
        expect(listPids(record, { recursive: true })).toEqual([pid]);
        expect(readStats(record).pids).toEqual({ current: 1, limit: 5 });
        expect(readStats(record).memory.usage?.limit).toBe(18446744073709551615n);
        expect(oomCount(record)).toBe(0);
        execute(freezePlan(record, "frozen"));
        expect(isFrozen(record)).toBe(true);
        execute(freezePlan(record, "thawed"));
        expect(isFrozen(record)).toBe(false);
      } finally {
        child.kill("SIGKILL");
        await exited;
      }
      execute(removePlan(record, { kill: false }));
      expect(listPids(record, { recursive: true })).toEqual([]);
    }));
}

test("on v2 nothing is left to enter", () => {
  if (facts.mode !== "v2") return expect(facts.v1.length).toBeGreaterThan(0);
  const plan = planCgroup({ id: "x", manager: "cgroupfs", rootless: false }, facts);
  expect([...plan.attach, ...plan.enter]).toEqual([]);
  expect(plan.into?.startsWith("/sys/fs/cgroup/")).toBe(true);
});
