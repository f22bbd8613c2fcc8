// Runs the ops of a plan on this machine's cgroup v1 hierarchies. Root only: `bun test` as root.
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
const runs = process.getuid?.() === 0 && (facts.mode === "v1" || facts.mode === "hybrid");
let counter = 0;

/** Makes a cgroup by a plan, hands it over, and removes all traces whatever happens. */
async function withCgroup(
  resources: CgroupInput["resources"],
  body: (plan: CgroupPlan, read: (controller: string, file: string) => string) => void | Promise<void>,
): Promise<void> {
  const cgroupsPath = `/tsrunc-test-${process.pid}-${counter++}/c`;
  const plan = planCgroup({ id: "c", cgroupsPath, manager: "cgroupfs", rootless: false, resources }, facts);
  const read = (controller: string, file: string) =>
    readFileSync(`${plan.record.paths[controller]}/${file}`, "utf8").trim();
  try {
    execute(plan.prepare);
    await body(plan, read);
  } finally {
    cleanUp(Object.values(plan.record.paths));
  }
  for (const path of Object.values(plan.record.paths)) expect(existsSync(path)).toBe(false);
}

const LIMITS = {
  memory: { limit: 64 << 20, reservation: 32 << 20, swap: 128 << 20, swappiness: 20, disableOOMKiller: true },
  cpu: { shares: 512, quota: 50000, period: 20000, burst: 10000, cpus: "0" },
  pids: { limit: 33 },
  devices: [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
  ],
} as const;

if (runs) {
  test("limits arrive in /sys", () =>
    withCgroup(LIMITS, (_, read) => {
      expect(read("memory", "memory.limit_in_bytes")).toBe(`${64 << 20}`);
      expect(read("memory", "memory.memsw.limit_in_bytes")).toBe(`${128 << 20}`);
      expect(read("memory", "memory.soft_limit_in_bytes")).toBe(`${32 << 20}`);
      expect(read("memory", "memory.swappiness")).toBe("20");
      expect(read("memory", "memory.oom_control")).toContain("oom_kill_disable 1");
      expect(read("cpu", "cpu.shares")).toBe("512");
      expect(read("cpu", "cpu.cfs_quota_us")).toBe("50000");
      expect(read("cpu", "cpu.cfs_period_us")).toBe("20000");
      expect(read("cpu", "cpu.cfs_burst_us")).toBe("10000");
      expect(read("cpuset", "cpuset.cpus")).toBe("0");
      expect(read("cpuset", "cpuset.mems")).toBe(readFileSync("/sys/fs/cgroup/cpuset/cpuset.mems", "utf8").trim());
      expect(read("pids", "pids.max")).toBe("33");
      const devices = read("devices", "devices.list").split("\n");
      expect(devices).toContain("c 10:229 rw");
      expect(devices).toContain("c *:* m");
      expect(devices).not.toContain("a *:* rwm");
      expect(devices).toHaveLength(12);
    }));

  test("a container without resources gets device rules and its parent's cpuset, and no limits", () =>
    withCgroup(undefined, (_, read) => {
      expect(read("pids", "pids.max")).toBe("max");
      expect(Number(read("memory", "memory.limit_in_bytes"))).toBeGreaterThan(2 ** 60);
      expect(read("cpuset", "cpuset.cpus")).toBe(readFileSync("/sys/fs/cgroup/cpuset/cpuset.cpus", "utf8").trim());
      expect(read("devices", "devices.list").split("\n")).toHaveLength(11);
    }));

  test("updates up and down never fail for their order", () =>
    withCgroup({ ...LIMITS, devices: [] }, ({ record }, read) => {
      const update = (resources: NonNullable<CgroupInput["resources"]>) =>
        execute(updatePlan(resources, record, facts).ops);
      update({
        memory: { limit: 256 << 20, swap: 512 << 20 },
        cpu: { quota: 1_000_000, period: 1_000_000, burst: 900_000 },
      });
      expect(read("memory", "memory.memsw.limit_in_bytes")).toBe(`${512 << 20}`);
      expect(read("cpu", "cpu.cfs_burst_us")).toBe("900000");
      update({ memory: { limit: 8 << 20, swap: 9 << 20 }, cpu: { quota: 2000, period: 10_000, burst: 1000 } });
      expect(read("memory", "memory.limit_in_bytes")).toBe(`${8 << 20}`);
      expect(read("memory", "memory.memsw.limit_in_bytes")).toBe(`${9 << 20}`);
      expect(read("cpu", "cpu.cfs_period_us")).toBe("10000");
      update({ memory: { limit: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } });
      expect(Number(read("memory", "memory.memsw.limit_in_bytes"))).toBeGreaterThan(2 ** 60);
      expect(read("cpu", "cpu.cfs_quota_us")).toBe("-1");
      expect(read("pids", "pids.max")).toBe("max");
      update({ cpu: { idle: 1, shares: 100 } });
      expect(read("cpu", "cpu.idle")).toBe("1");
      update({ cpu: { idle: 0, shares: 300 } });
      expect(read("cpu", "cpu.shares")).toBe("300");
    }));

  test("a quota below a limited parent's, with a shorter period", () =>
    withCgroup({ cpu: { quota: 30000 } }, ({ record }, read) => {
      const parent = { ...record, paths: { cpu: record.paths.cpu?.replace(/\/c$/, "") ?? "" } };
      execute(updatePlan({ cpu: { quota: 50000 } }, parent, facts).ops);
      execute(updatePlan({ cpu: { quota: 3000, period: 10000 } }, record, facts).ops);
      expect(read("cpu", "cpu.cfs_quota_us")).toBe("3000");
      execute(updatePlan({ cpu: { quota: 49000, period: 100000 } }, record, facts).ops);
      expect(read("cpu", "cpu.cfs_period_us")).toBe("100000");
    }));

  test("a process that enters by itself is in all of the hierarchies", () =>
    withCgroup(undefined, async ({ enter }) => {
      const lines = enter.flatMap((op) => (op.op === "write" ? [`echo ${op.text} > ${op.path}`] : []));
      const child = spawn("sh", ["-ec", `${lines.join("\n")}\ncat /proc/$$/cgroup`], { stdio: ["ignore", "pipe", 2] });
      let text = "";
      child.stdout?.on("data", (chunk) => {
        text += chunk;
      });
      await once(child, "close");
      const v1 = text.split("\n").filter((line) => line !== "" && !line.startsWith("0::"));
      expect(v1).toHaveLength(facts.v1.length);
      for (const line of v1) expect(line.endsWith("/c")).toBe(true);
    }));

  test("a process: entered everywhere, listed, counted, frozen, thawed, gone", () =>
    withCgroup({ pids: { limit: 5 } }, async (plan) => {
      const { record } = plan;
      const child = spawn("sleep", ["60"], { stdio: "ignore" });
      const pid = child.pid ?? 0;
      const exited = once(child, "exit");
      try {
        execute(plan.attach, pid);
        if (plan.into !== undefined) execute([{ op: "attach", path: `${plan.into}/cgroup.procs`, ignore: [] }], pid);
        const own = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
        for (const line of own) expect(line.endsWith("/c")).toBe(true);
        expect(listPids(record, { recursive: true })).toEqual([pid]);
        expect(() => planCgroup({ ...INPUT, cgroupsPath: own[0]?.split(":")[2] }, facts)).toThrow(
          "container's cgroup is not empty: 1 process(es) found",
        );
        const stats = readStats(record);
        expect(stats.pids).toEqual({ current: 1, limit: 5 });
        expect(stats.memory.usage?.limit).toBe(9223372036854771712n);
        expect(stats.cpu.usage?.percpu?.length).toBeGreaterThan(0);
        expect(oomCount(record)).toBe(0);
        expect(isFrozen(record)).toBe(false);
        execute(freezePlan(record, "frozen"));
        expect(isFrozen(record)).toBe(true);
        execute(freezePlan(record, "thawed"));
        expect(isFrozen(record)).toBe(false);
        execute(freezePlan(record, "frozen"));
      } finally {
        // A frozen process of v1 dies only once it is thawed, which the removal's first op does.
        child.kill("SIGKILL");
        execute(removePlan(record, { kill: true }).slice(0, 1));
        await exited;
      }
      execute(removePlan(record, { kill: false }));
      expect(listPids(record, { recursive: true })).toEqual([]);
    }));
}

const INPUT: CgroupInput = { id: "c", manager: "cgroupfs", rootless: false };

test("this host's layout is recognised", () => {
  expect(["v1", "v2", "hybrid"]).toContain(facts.mode);
  for (const { mount } of facts.v1) expect(existsSync(`${mount}/cgroup.procs`)).toBe(true);
  if (facts.v2) expect(existsSync(`${facts.v2.mount}/cgroup.controllers`)).toBe(true);
});
