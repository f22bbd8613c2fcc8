import { expect, test } from "bun:test";
import { freezeProgram } from "../../src/container/pause.ts";
import type { StateRecord } from "../../src/container/record.ts";

function record(cgroup: StateRecord["cgroup"]): StateRecord {
  const made = { pid: 7, startTime: 8, id: "box", bundle: "/b", rootfs: "/b/r", created: "", owner: "root" };
  return { ...made, ociVersion: "1.3.0", ...(cgroup === undefined ? {} : { cgroup }) };
}

const V1 = record({ version: "v1", manager: "cgroupfs", paths: { freezer: "/f/box" } });

test("a freeze waits under the lock, and is taken back if it fails", () => {
  const { launcher, cleanup, cleanupFrom } = freezeProgram(V1, "/run/box", "frozen");
  expect(launcher.map(({ op }) => op)).toEqual(["lock", "writeUntil"]);
  expect(launcher[1]).toMatchObject({ path: "/f/box/freezer.state", text: "FROZEN", expect: "FROZEN" });
  expect(cleanupFrom).toBe(1);
  expect(cleanup).toMatchObject([{ op: "write", path: "/f/box/freezer.state", text: "THAWED" }]);
});

test("a thaw is one write, with nothing to take back", () => {
  const v2 = record({ version: "v2", manager: "cgroupfs", paths: { "": "/c/box" } });
  const { launcher, cleanup } = freezeProgram(v2, "/run/box", "thawed");
  expect(launcher).toMatchObject([{ op: "lock" }, { op: "write", path: "/c/box/cgroup.freeze", text: "0" }]);
  expect(cleanup).toEqual([]);
});

test("a container without a freezer cannot be paused", () => {
  expect(() => freezeProgram(record(undefined), "/run/box", "frozen")).toThrow("cannot toggle freezer");
});
