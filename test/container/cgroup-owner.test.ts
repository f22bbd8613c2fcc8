import { expect, test } from "bun:test";
import { cgroupOwner } from "../../src/container/cgroup-input.ts";
import type { Linux, Mount, Spec } from "../../src/spec/types.ts";
import { small } from "../program/programs.ts";

const MOUNT: Mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" };
const MAPPINGS = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100_000, size: 65_535 },
];

function spec(types: readonly string[], uid = 0, mount: Partial<Mount> = {}, linux: Partial<Linux> = {}): Spec {
  return { ...small(types, linux, { user: { uid, gid: 0 } }), mounts: [{ ...MOUNT, ...mount }] };
}

test("it is the user of the process, as the host knows them", () => {
  const mapped = { uidMappings: MAPPINGS, gidMappings: MAPPINGS };
  expect(cgroupOwner(spec(["cgroup"]), 0)).toBeUndefined();
  expect(cgroupOwner(spec(["cgroup"], 33), 0)).toBe(33);
  expect(cgroupOwner(spec(["cgroup", "user"], 0, {}, mapped), 0)).toBe(1000);
  expect(cgroupOwner(spec(["cgroup", "user"], 33, {}, mapped), 0)).toBe(100_032);
  expect(cgroupOwner(spec(["cgroup", "user"], 70_000, {}, mapped), 0)).toBeUndefined();
});

test("it stays where the container cannot use it", () => {
  expect(cgroupOwner(spec([], 33), 0)).toBeUndefined();
  expect(cgroupOwner(spec(["cgroup"], 33, { options: ["ro"] }), 0)).toBeUndefined();
  expect(cgroupOwner(spec(["cgroup"], 33, { options: ["ro", "rw"] }), 0)).toBe(33);
  expect(cgroupOwner(spec(["cgroup"], 33, { destination: "/cgroup" }), 0)).toBeUndefined();
  expect(cgroupOwner(spec(["cgroup"], 33, { source: "none", type: "tmpfs" }), 0)).toBeUndefined();
});

test("without root nothing is given away", () => {
  const mapped = { uidMappings: MAPPINGS, gidMappings: MAPPINGS };
  for (const uid of [0, 33]) expect(cgroupOwner(spec(["cgroup", "user"], uid, {}, mapped), 1000)).toBeUndefined();
});
