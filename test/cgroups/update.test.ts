import { expect, test } from "bun:test";
import type { CgroupRecord } from "../../src/cgroups/types.ts";
import { updatePlan } from "../../src/cgroups/update.ts";
import type { Resources } from "../../src/spec/types.ts";
import { facts, show, v1Host, v2Host } from "./fake-host.ts";

const V1: CgroupRecord = {
  version: "v1",
  manager: "cgroupfs",
  paths: Object.fromEntries(["cpu", "cpuset", "memory", "pids"].map((name) => [name, `/sys/fs/cgroup/${name}/c`])),
};
const V2: CgroupRecord = { version: "v2", manager: "cgroupfs", paths: { "": "/sys/fs/cgroup/c" } };

function v1(resources: Resources, held: Readonly<Record<string, string>> = {}): readonly string[] {
  const files = Object.fromEntries(
    Object.entries(held).map(([file, text]) => [`/sys/fs/cgroup/${file.split(".")[0]}/c/${file}`, `${text}\n`]),
  );
  return updatePlan(resources, V1, facts(v1Host("/", files))).ops.map((op) => show(op).replace(/write \w+\/c\//, ""));
}

function v2(resources: Resources, held: Readonly<Record<string, string>> = {}): readonly string[] {
  const files = Object.fromEntries(
    Object.entries(held).map(([file, text]) => [`/sys/fs/cgroup/c/${file}`, `${text}\n`]),
  );
  const host = v2Host("/", { "/sys/fs/cgroup/c/cgroup.controllers": "cpuset cpu io memory pids\n", ...files });
  return updatePlan(resources, V2, facts(host)).ops.map((op) => show(op).replace("write c/", ""));
}

test("v1: raising memory starts with memory and swap, lowering with memory", () => {
  const held = { "memory.limit_in_bytes": "100", "memory.memsw.limit_in_bytes": "100" };
  expect(v1({ memory: { limit: 200, swap: 300 } }, held)).toEqual([
    "memory.memsw.limit_in_bytes 300",
    "memory.limit_in_bytes 200",
  ]);
  expect(v1({ memory: { limit: 50, swap: 60 } }, held)).toEqual([
    "memory.limit_in_bytes 50",
    "memory.memsw.limit_in_bytes 60",
  ]);
  expect(v1({ memory: { limit: -1 } }, held)).toEqual(["memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes -1"]);
  expect(v1({ memory: { limit: -1 } }, { "memory.limit_in_bytes": "100" })).toEqual(["memory.limit_in_bytes -1"]);
});

test("v1: a shorter period waits for the quota, a longer one goes before it", () => {
  const held = { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000" };
  expect(v1({ cpu: { period: 10000, quota: 3000 } }, held)).toEqual([
    "cpu.cfs_quota_us 3000",
    "cpu.cfs_period_us 10000",
  ]);
  expect(v1({ cpu: { period: 200000, quota: 60000 } }, held)).toEqual([
    "cpu.cfs_period_us 200000",
    "cpu.cfs_quota_us 60000",
  ]);
  expect(v1({ cpu: { period: 90000 } }, held)).toEqual(["cpu.cfs_period_us 90000"]);
});

test("v1: a lower burst goes before the quota, a higher one after", () => {
  const held = { "cpu.cfs_burst_us": "500" };
  expect(v1({ cpu: { burst: 100, quota: 200 } }, held)).toEqual(["cpu.cfs_burst_us 100", "cpu.cfs_quota_us 200"]);
  expect(v1({ cpu: { burst: 900, quota: 1000 } }, held)).toEqual(["cpu.cfs_quota_us 1000", "cpu.cfs_burst_us 900"]);
});

test("zero is unset, but for burst, idle and pids", () => {
  const zeros: Resources = {
    memory: { limit: 0, swap: 0, reservation: 0 },
    cpu: {
      shares: 0,
      quota: 0,
      period: 0,
      realtimeRuntime: 0,
      realtimePeriod: 0,
      cpus: "",
      mems: "",
      burst: 0,
      idle: 0,
    },
    pids: { limit: 0 },
    blockIO: { weight: 0 },
  };
  expect(v1(zeros)).toEqual(["cpu.idle 0", "cpu.cfs_burst_us 0 ?ENOENT", "pids.max 1"]);
  expect(v2(zeros)).toEqual(["pids.max 1", "cpu.idle 0", "cpu.max.burst 0"]);
});

test("v1: cpuset, and a controller that the container is not in", () => {
  expect(v1({ cpu: { cpus: "1", mems: "0" } })).toEqual(["cpuset.cpus 1", "cpuset.mems 0"]);
  expect(() => v1({ blockIO: { weight: 100 } })).toThrow(
    expect.objectContaining({
      message: "cannot set blkio limit: container could not join or create cgroup",
      at: "/blockIO/weight",
    }),
  );
  expect(() => v1({ unified: { "a.b": "c" } })).toThrow(expect.objectContaining({ at: "/unified" }));
});

test("v2: quota or period alone keeps the other", () => {
  const held = { "cpu.max": "500000 1000000" };
  expect(v2({ cpu: { period: 900000 } }, held)).toEqual(["cpu.max 500000 900000"]);
  expect(v2({ cpu: { quota: 600000 } }, held)).toEqual(["cpu.max 600000 1000000"]);
  expect(v2({ cpu: { quota: -1 } }, held)).toEqual(["cpu.max max 1000000"]);
  expect(v2({ cpu: { period: 50000 } }, { "cpu.max": "max 100000" })).toEqual(["cpu.max max 50000"]);
});

test("v2: memory with swap, either alone, and none", () => {
  const held = { "memory.max": "100", "memory.swap.max": "50" };
  expect(v2({ memory: { limit: 60, swap: 100 } }, held)).toEqual(["memory.swap.max 40", "memory.max 60"]);
  expect(v2({ memory: { swap: 130 } }, held)).toEqual(["memory.swap.max 30"]);
  // 150 for both stays 150 for both.
  expect(v2({ memory: { limit: 120 } }, held)).toEqual(["memory.swap.max 30", "memory.max 120"]);
  expect(() => v2({ memory: { limit: 151 } }, held)).toThrow("memory+swap limit should be >= memory limit");
  expect(v2({ memory: { limit: 120 } }, { "memory.max": "100", "memory.swap.max": "max" })).toEqual(["memory.max 120"]);
  expect(v2({ memory: { limit: -1 } }, held)).toEqual(["memory.swap.max max ?ENOENT", "memory.max max"]);
  expect(v2({ memory: { reservation: 7 } }, held)).toEqual(["memory.low 7"]);
  expect(() => v2({ memory: { swap: 7 } }, { "memory.max": "max" })).toThrow(
    "unable to set swap limit without memory limit",
  );
});

test("v2: checkBeforeUpdate refuses a limit below the usage", () => {
  const held = { "memory.current": "1000" };
  expect(() => v2({ memory: { limit: 1000, checkBeforeUpdate: true } }, held)).toThrow(
    expect.objectContaining({ message: "rejecting memory limit 1000 <= usage 1000", at: "/memory/limit" }),
  );
  expect(() => v2({ memory: { limit: 2000, swap: 900, checkBeforeUpdate: true } }, held)).toThrow(
    "rejecting memory+swap limit 900 <= usage 1000",
  );
  expect(v2({ memory: { limit: 1001, checkBeforeUpdate: true } }, held)).toEqual(["memory.max 1001"]);
  expect(v2({ memory: { limit: 5 } }, held)).toEqual(["memory.max 5"]);
});

test("v2: idle and shares together, in the order that works", () => {
  expect(v2({ cpu: { idle: 1, shares: 1024 } })).toEqual(["cpu.weight 100", "cpu.idle 1"]);
  expect(v2({ cpu: { idle: 0, shares: 1024 } })).toEqual(["cpu.idle 0", "cpu.weight 100"]);
});

test("v2: unified, and a controller that the cgroup does not have", () => {
  expect(v2({ unified: { "cpu.max": "max 100000", "pids.max": "10" } })).toEqual(["cpu.max max 100000", "pids.max 10"]);
  expect(() => v2({ hugepageLimits: [{ pageSize: "2MB", limit: 0 }] })).toThrow(
    expect.objectContaining({ message: "cgroup controller `hugetlb` is not available", at: "/hugepageLimits/0" }),
  );
});

test("devices are never touched", () => {
  expect(v1({ devices: [{ allow: true, access: "rwm" }] })).toEqual([]);
  expect(v2({ devices: [{ allow: true, access: "rwm" }] })).toEqual([]);
});
