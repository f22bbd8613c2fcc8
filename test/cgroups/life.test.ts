import { expect, test } from "bun:test";
import { freezePlan, isFrozen } from "../../src/cgroups/freeze.ts";
import { listPids } from "../../src/cgroups/pids.ts";
import { removePlan } from "../../src/cgroups/remove.ts";
import type { CgroupRecord } from "../../src/cgroups/types.ts";
import { fakeHost, show } from "./fake-host.ts";

const V1: CgroupRecord = {
  version: "v1",
  manager: "cgroupfs",
  paths: { cpu: "/cpu/c", cpuacct: "/cpu/c", freezer: "/freezer/c", devices: "/devices/c" },
};
const HYBRID: CgroupRecord = { ...V1, version: "hybrid", paths: { ...V1.paths, "": "/unified/c" } };
const V2: CgroupRecord = { version: "v2", manager: "cgroupfs", paths: { "": "/c" } };
const NONE: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

test("freezing waits until all is frozen, thawing does not", () => {
  expect(freezePlan(V1, "frozen").map(show)).toEqual([
    "writeUntil /freezer/c/freezer.state FROZEN /freezer/c/freezer.state FROZEN",
  ]);
  expect(freezePlan(V2, "frozen").map(show)).toEqual(["writeUntil /c/cgroup.freeze 1 /c/cgroup.events frozen 1"]);
  expect(freezePlan(V1, "thawed").map(show)).toEqual(["write /freezer/c/freezer.state THAWED"]);
  expect(freezePlan(V2, "thawed").map(show)).toEqual(["write /c/cgroup.freeze 0"]);
  expect(() => freezePlan(NONE, "frozen")).toThrow("cannot toggle freezer: cgroups not configured for container");
});

test("frozen is what was frozen itself", () => {
  const v1 = (state: string, self?: string) =>
    isFrozen(
      V1,
      fakeHost({
        "/freezer/c/freezer.state": `${state}\n`,
        ...(self === undefined ? {} : { "/freezer/c/freezer.self_freezing": `${self}\n` }),
      }),
    );
  expect([v1("THAWED"), v1("FROZEN"), v1("FROZEN", "1"), v1("FROZEN", "0"), v1("FREEZING", "1")]).toEqual([
    false,
    true,
    true,
    false,
    true,
  ]);
  expect(isFrozen(V2, fakeHost({ "/c/cgroup.freeze": "1\n" }))).toBe(true);
  expect(isFrozen(V2, fakeHost({ "/c/cgroup.freeze": "0\n" }))).toBe(false);
  expect(isFrozen(V2, fakeHost({}))).toBe(false);
  expect(isFrozen(NONE, fakeHost({}))).toBe(false);
});

test("removal: each directory once, cgroup2 first, thawed before a kill", () => {
  expect(removePlan(V1, { kill: false }).map(show)).toEqual([
    "remove /cpu/c",
    "remove /freezer/c",
    "remove /devices/c",
  ]);
  expect(removePlan(HYBRID, { kill: true, timeoutMs: 5 }).map(show)).toEqual([
    "write /freezer/c/freezer.state THAWED ?ENOENT ?ENODEV ?ENOTDIR ?EROFS",
    "remove /unified/c kill",
    "remove /cpu/c kill",
    "remove /freezer/c kill",
    "remove /devices/c kill",
  ]);
  expect(removePlan(V2, { kill: true }).map(show)).toEqual(["remove /c kill"]);
  expect(removePlan(NONE, { kill: true })).toEqual([]);
});

test("pids: the cgroup's own, those below, and of a threaded one", () => {
  const host = fakeHost({
    "/devices/c/cgroup.procs": "1\n22\n",
    "/devices/c/sub/cgroup.procs": "333\n",
    "/devices/c/sub/deep/cgroup.procs": "4\n",
    "/c/cgroup.threads": "7\n",
  });
  expect(listPids(V1, { recursive: false }, host)).toEqual([1, 22]);
  expect([...listPids(V1, { recursive: true }, host)].sort((a, b) => a - b)).toEqual([1, 4, 22, 333]);
  expect(listPids(V2, { recursive: true }, host)).toEqual([7]);
  expect(listPids(NONE, { recursive: true }, host)).toEqual([]);
  expect(listPids({ ...V1, paths: { devices: "/gone" } }, { recursive: true }, host)).toEqual([]);
});
