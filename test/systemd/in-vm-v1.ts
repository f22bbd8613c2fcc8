/**
 * The systemd driver on cgroup v1, alone or beside a unified hierarchy, as root in a VM:
 *
 *     test/vm/vm-run --systemd --kernel bullseye --append systemd.unified_cgroup_hierarchy=0 -- node_modules/.bin/bun test ./test/systemd/in-vm-v1.ts
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { Containers, DONE, shown, systemctl } from "./lib/containers.ts";

const SLICE = "tsr-first.slice";
const UNIT = "t-one.scope";
const MIB = 1 << 20;
const containers = new Containers(SLICE);
const directory = (controller: string) => `/sys/fs/cgroup/${controller}/tsr.slice/${SLICE}/${UNIT}`;
const read = (controller: string, file: string) => fs.readFileSync(`${directory(controller)}/${file}`, "utf8").trim();
const FUSE = { path: "/dev/fuse", type: "c", major: 10, minor: 229 };
const FILES = [
  ["memory", "memory.limit_in_bytes"],
  ["cpu,cpuacct", "cpu.shares"],
  ["cpu,cpuacct", "cpu.cfs_quota_us"],
  ["cpu,cpuacct", "cpu.cfs_period_us"],
  ["pids", "pids.max"],
  ["cpuset", "cpuset.cpus"],
] as const;
const files = () => FILES.map(([controller, file]) => read(controller, file));
const held = () => shown(UNIT, ["MemoryLimit", "CPUShares", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "TasksMax"]);

beforeAll(() => {
  containers.create(
    "one",
    {
      memory: { limit: 64 * MIB },
      cpu: { shares: 512, quota: 33_333, period: 100_000, cpus: "0" },
      pids: { limit: 50 },
      devices: [
        { allow: false, access: "rwm" },
        { ...FUSE, allow: true, access: "r", path: undefined },
      ],
    },
    { devices: [FUSE] },
  );
}, 300_000);

afterAll(() => {
  containers.remove("one");
  fs.rmSync(containers.work, { recursive: true, force: true });
}, 120_000);

const FIRST = [`${64 * MIB}`, "512", "34000", "100000", "50", "0"];
const TOLD = {
  MemoryLimit: `${64 * MIB}`,
  CPUShares: "512",
  CPUQuotaPerSecUSec: "340ms",
  CPUQuotaPeriodUSec: "100ms",
  TasksMax: "50",
};

test("it runs on cgroup v1", () => {
  expect(fs.existsSync("/sys/fs/cgroup/cgroup.controllers")).toBe(false);
});

test("the process is in the scope, in every hierarchy", () => {
  const pid = read("systemd", "cgroup.procs").split("\n")[0];
  const lines = fs.readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  const elsewhere = lines.filter((line) => !line.endsWith(`/tsr.slice/${SLICE}/${UNIT}`) && !line.startsWith("0::"));
  expect(elsewhere).toEqual([]);
  expect(shown(UNIT, ["ActiveState", "Slice", "Delegate"])).toEqual({
    ActiveState: "active",
    Slice: SLICE,
    Delegate: "yes",
  });
});

test("limits and devices are the same in the files and with systemd, also after a reload", () => {
  expect([files(), held()]).toEqual([FIRST, TOLD]);
  expect([containers.opens("one", "/dev/fuse"), containers.opens("one", "/dev/null")]).toEqual(["r", "rw"]);
  systemctl("daemon-reload");
  expect([files(), held()]).toEqual([FIRST, TOLD]);
  systemctl("daemon-reexec");
  expect([files(), held()]).toEqual([FIRST, TOLD]);
  expect([containers.opens("one", "/dev/fuse"), containers.opens("one", "/dev/null")]).toEqual(["r", "rw"]);
}, 300_000);

test("an update, and one that fails", () => {
  expect(containers.update("one", { pids: { limit: 77 }, cpu: { quota: 12_345 } })).toEqual(DONE);
  const second = [`${64 * MIB}`, "512", "13000", "100000", "77", "0"];
  const told = { ...TOLD, TasksMax: "77", CPUQuotaPerSecUSec: "130ms" };
  expect([files(), held()]).toEqual([second, told]);
  systemctl("daemon-reload");
  expect([files(), held()]).toEqual([second, told]);
  expect(containers.update("one", { pids: { limit: 5 }, cpu: { cpus: "4000" } }).status).toBe(1);
  expect([files(), held()]).toEqual([second, told]);
}, 120_000);

test("pause, resume, and delete, which leaves nothing", () => {
  expect(containers.run("pause", "one")).toEqual(DONE);
  expect(read("freezer", "freezer.state")).toBe("FROZEN");
  expect(containers.run("resume", "one")).toEqual(DONE);
  expect(containers.remove("one")).toEqual(DONE);
  expect(shown(UNIT, ["LoadState"])).toEqual({ LoadState: "not-found" });
  const left = spawnSync("find", ["/sys/fs/cgroup", "-name", UNIT], { encoding: "utf8" }).stdout;
  expect(left).toBe("");
}, 120_000);
