import { expect, test } from "bun:test";
import { entrance, isConfined } from "../../src/cgroups/birth.ts";
import { planCgroup } from "../../src/cgroups/plan.ts";
import type { CgroupInput } from "../../src/cgroups/types.ts";
import type { Op } from "../../src/program/ops.ts";
import type { Resources } from "../../src/spec/types.ts";
import { facts, show, v2Host, writes } from "./fake-host.ts";

const INPUT: CgroupInput = { id: "c1", cgroupsPath: "/c1", manager: "cgroupfs", rootless: false };
const ROOT = "/sys/fs/cgroup";

function limits(resources: Resources, files: Readonly<Record<string, string>> = {}): readonly string[] {
  const plan = planCgroup({ ...INPUT, resources, skipDevices: true }, facts(v2Host("/", files)));
  return writes(plan.prepare).map((line) => line.replace("write c1/", ""));
}

test("the whole plan of a container without limits: a directory and the device rules", () => {
  const plan = planCgroup(INPUT, facts(v2Host()));
  expect(plan.prepare.map(show)).toEqual(["mkdir c1", "deviceProgram c1"]);
  expect(plan).toMatchObject({
    into: `${ROOT}/c1`,
    attach: [],
    record: { version: "v2", manager: "cgroupfs", paths: { "": `${ROOT}/c1` } },
  });
});

test.each<[string, Resources, boolean]>([
  ["5.10.0-32-cloud-amd64", { cpu: { cpus: "0" } }, false],
  ["6.3.9", { cpu: { mems: "0" } }, false],
  ["6.3.9", { unified: { "cpuset.cpus": "0" } }, false],
  ["6.3.9", { cpu: { shares: 5 } }, true],
  ["6.4.0-rc1", { cpu: { cpus: "0", mems: "0" } }, true],
  ["7.0", { cpu: { mems: "0" } }, true],
])("Linux %s with %j: born in the cgroup is %p", (release, resources, born) => {
  const host = v2Host("/", { "/proc/sys/kernel/osrelease": `${release}\n` });
  const { into, enter } = planCgroup({ ...INPUT, resources, skipDevices: true }, facts(host));
  expect(into).toBe(born ? `${ROOT}/c1` : undefined);
  expect(enter.map(show)).toEqual(born ? [] : ["write c1/cgroup.procs 0"]);
});

test("an exec enters its cgroup on an old kernel where that has other CPUs or memory nodes", () => {
  const way = (cpus: string, mems: string, release = "5.10.1") =>
    entrance(`${ROOT}/c1`, () => isConfined(`${ROOT}/c1`, host(cpus, mems, release)), host(cpus, mems, release)).into;
  const host = (cpus: string, mems: string, release: string) =>
    v2Host("/", {
      "/proc/sys/kernel/osrelease": release,
      "/proc/self/status": "Cpus_allowed_list:\t0-3\nMems_allowed:\t1\nMems_allowed_list:\t0-1\n",
      [`${ROOT}/c1/cpuset.cpus.effective`]: `${cpus}\n`,
      [`${ROOT}/c1/cpuset.mems.effective`]: `${mems}\n`,
    });
  expect(way("0-3", "0-1")).toBe(`${ROOT}/c1`);
  expect(way("0-3", "0")).toBeUndefined();
  expect(way("1", "0-1")).toBeUndefined();
  expect(way("1", "0", "6.12.1")).toBe(`${ROOT}/c1`);
});

test("controllers are enabled where they are missing, all at once and then one by one", () => {
  const host = v2Host("/", {
    [`${ROOT}/cgroup.controllers`]: "cpu memory pids\n",
    [`${ROOT}/cgroup.subtree_control`]: "memory pids\n",
    [`${ROOT}/a/cgroup.subtree_control`]: "cpu memory pids\n",
  });
  const input = { ...INPUT, cgroupsPath: "/a/b/c1", resources: { memory: { limit: 5 } }, skipDevices: true };
  expect(planCgroup(input, facts(host)).prepare.map(show)).toEqual([
    "write cgroup.subtree_control +cpu ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "mkdir a/b",
    "write a/b/cgroup.subtree_control +cpu +memory +pids ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "write a/b/cgroup.subtree_control +cpu ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "write a/b/cgroup.subtree_control +memory",
    "write a/b/cgroup.subtree_control +pids ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "mkdir a/b/c1",
    "write a/b/c1/memory.max 5",
  ]);
});

test("memory", () => {
  expect(limits({ memory: { limit: 100, reservation: 50, swap: 300 } })).toEqual([
    "memory.swap.max 200",
    "memory.max 100",
    "memory.low 50",
  ]);
  expect(limits({ memory: { limit: 100, swap: 100 } })).toEqual(["memory.swap.max 0 ?ENOENT", "memory.max 100"]);
  expect(limits({ memory: { limit: -1 } })).toEqual(["memory.swap.max max ?ENOENT", "memory.max max"]);
  expect(limits({ memory: { limit: 0, swap: 0, reservation: -1 } })).toEqual(["memory.low max"]);
});

test("cpu", () => {
  expect(limits({ cpu: { shares: 1024, quota: 50, period: 100, burst: 5, idle: 1, cpus: "0-1", mems: "0" } })).toEqual([
    "cpu.weight 100",
    "cpu.max 50 100",
    "cpu.max.burst 5",
    "cpu.idle 1",
    "cpuset.cpus 0-1",
    "cpuset.mems 0",
  ]);
  expect(limits({ cpu: { quota: 5000 } })).toEqual(["cpu.max 5000 100000"]);
  expect(limits({ cpu: { period: 5000 } })).toEqual(["cpu.max max 5000"]);
  expect(limits({ cpu: { quota: -1, period: 5000 } })).toEqual(["cpu.max max 5000"]);
  expect(limits({ cpu: { shares: 0, quota: 0, period: 0, cpus: "" } })).toEqual([]);
  expect(limits({ cpu: { idle: 0, shares: 2 } })).toEqual(["cpu.idle 0", "cpu.weight 1"]);
});

test("pids, huge pages, rdma", () => {
  expect(limits({ pids: { limit: -1 } })).toEqual(["pids.max max"]);
  expect(limits({ pids: { limit: 0 } })).toEqual(["pids.max 1"]);
  expect(limits({ hugepageLimits: [{ pageSize: "1GB", limit: 0 }] })).toEqual([
    "hugetlb.1GB.max 0",
    "hugetlb.1GB.rsvd.max 0 ?ENOENT",
  ]);
  expect(limits({ rdma: { mlx5_0: { hcaHandles: 1 } } })).toEqual(["rdma.max mlx5_0 hca_handle=1"]);
});

test("block devices: BFQ alone must work, beside io.cost it may be absent", () => {
  const blockIO = {
    weight: 750,
    weightDevice: [{ major: 8, minor: 0, weight: 10 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 2 }],
  };
  expect(limits({ blockIO })).toEqual([
    "io.bfq.weight 750",
    "io.bfq.weight 8:0 10",
    "io.max 8:0 rbps=1",
    "io.max 8:16 wiops=2",
  ]);
  expect(limits({ blockIO }, { [`${ROOT}/io.cost.qos`]: "" }).slice(0, 4)).toEqual([
    "io.bfq.weight 750 ?ENOENT",
    "io.weight 7475",
    "io.bfq.weight 8:0 10 ?ENOENT",
    "io.weight 8:0 1",
  ]);
});

test("unified is written last and line by line", () => {
  const unified = { "memory.high": "5", "io.max": "8:0 rbps=1\n8:16 wiops=2\n", "cgroup.max.depth": "3" };
  expect(limits({ unified, memory: { limit: 9 } })).toEqual([
    "memory.max 9",
    "memory.high 5",
    "io.max 8:0 rbps=1",
    "io.max 8:16 wiops=2",
    "cgroup.max.depth 3",
  ]);
});

test("what is refused, and where", () => {
  const table: readonly (readonly [Resources, string, string])[] = [
    [{ unified: { "a/b": "1" } }, "unified resource `a/b` must be a file name (no slashes)", "/unified/a~1b"],
    [
      { unified: { nodot: "1" } },
      "unified resource `nodot` must be in the form CONTROLLER.PARAMETER",
      "/unified/nodot",
    ],
    [{ unified: { "..": "1" } }, "unified resource `..` must be in the form CONTROLLER.PARAMETER", "/unified/.."],
    [{ unified: { "dmem.max": "1" } }, "cgroup controller `dmem` is not available", "/unified/dmem.max"],
    [
      { unified: { "cpu.max": "\u0001p" } },
      "unified resource `cpu.max` has a value with control characters",
      "/unified/cpu.max",
    ],
    [{ memory: { swap: 5 } }, "unable to set swap limit without memory limit", "/memory/swap"],
    [{ memory: { limit: 6, swap: 5 } }, "memory+swap limit should be >= memory limit", "/memory/swap"],
    [
      { memory: { swappiness: 5 } },
      "`linux.resources.memory.swappiness` cannot be set on cgroup v2",
      "/memory/swappiness",
    ],
    [
      { cpu: { realtimeRuntime: 5 } },
      "`linux.resources.cpu.realtimeRuntime` cannot be set on cgroup v2",
      "/cpu/realtimeRuntime",
    ],
    [{ memory: { kernel: 5 } }, "`linux.resources.memory.kernel` cannot be set on cgroup v2", "/memory/kernel"],
    [
      { memory: { kernelTCP: 5 } },
      "`linux.resources.memory.kernelTCP` cannot be set on cgroup v2",
      "/memory/kernelTCP",
    ],
    [{ network: { classID: 5 } }, "`linux.resources.network.classID` cannot be set on cgroup v2", "/network/classID"],
    [
      { blockIO: { leafWeight: 5 } },
      "`linux.resources.blockIO.leafWeight` cannot be set on cgroup v2",
      "/blockIO/leafWeight",
    ],
  ];
  for (const [resources, message, at] of table) {
    const plan = () => planCgroup({ ...INPUT, resources }, facts(v2Host()));
    expect(plan).toThrow(expect.objectContaining({ message, at: `/linux/resources${at}` }));
  }
});

test("what engines send without meaning it is no error", () => {
  const resources = {
    memory: { disableOOMKiller: false, kernel: 0, kernelTCP: -1 },
    cpu: { realtimeRuntime: 0, realtimePeriod: 0 },
    network: { classID: 0, priorities: [] },
    blockIO: { leafWeight: 0, weightDevice: [] },
  };
  expect(limits(resources)).toEqual([]);
});

test("a privileged container has no device program", () => {
  const input = { ...INPUT, resources: { devices: [{ allow: true, access: "rwm" }] } };
  expect(planCgroup(input, facts(v2Host())).prepare.map(show)).toEqual(["mkdir c1"]);
});

test("below a threaded cgroup: threaded too, or an error for memory", () => {
  const host = v2Host("/", { [`${ROOT}/t/cgroup.type`]: "threaded\n", [`${ROOT}/t/cgroup.subtree_control`]: "cpu\n" });
  const input = { ...INPUT, cgroupsPath: "/t/c1", skipDevices: true };
  const plan = planCgroup({ ...input, resources: { cpu: { shares: 2 } } }, facts(host));
  expect(plan.prepare.map(show).slice(-2)).toEqual(["write t/c1/cgroup.type threaded", "write t/c1/cpu.weight 1"]);
  expect(() => planCgroup({ ...input, resources: { memory: { limit: 5 } } }, facts(host))).toThrow(
    "`/sys/fs/cgroup/t` is threaded: it cannot have the `memory` controller",
  );
});

test("a delegated cgroup: its directory and the files that the kernel lists", () => {
  const host = v2Host("/", { "/sys/kernel/cgroup/delegate": "cgroup.procs\ncgroup.threads\nmemory.oom.group\n" });
  const plan = planCgroup({ ...INPUT, ownerUid: 1000 }, facts(host));
  expect(plan.prepare[0]).toMatchObject({ op: "mkdir", uid: 1000, gid: -1 });
  const given = (ops: readonly Op[]) => ops.flatMap((op) => (op.op === "chown" ? [`${op.uid} ${op.path}`] : []));
  expect(given(plan.prepare)).toEqual([
    `1000 ${ROOT}/c1/cgroup.procs`,
    `1000 ${ROOT}/c1/cgroup.threads`,
    `1000 ${ROOT}/c1/memory.oom.group`,
  ]);
  const old = planCgroup({ ...INPUT, ownerUid: 7 }, facts(v2Host()));
  expect(given(old.prepare)).toEqual([
    `7 ${ROOT}/c1/cgroup.procs`,
    `7 ${ROOT}/c1/cgroup.subtree_control`,
    `7 ${ROOT}/c1/cgroup.threads`,
  ]);
  expect(given(planCgroup(INPUT, facts(v2Host())).prepare)).toEqual([]);
});

test("rootless without access", () => {
  const host = v2Host("/user.slice/s", { [`${ROOT}/user.slice/s/cgroup.procs`]: "" }, [`${ROOT}/user.slice`]);
  const input: CgroupInput = { id: "c1", manager: "cgroupfs", rootless: true };
  const plan = planCgroup(input, facts(host));
  expect(plan).toEqual({
    prepare: [],
    attach: [],
    enter: [],
    record: { version: "v2", manager: "cgroupfs", paths: {} },
    warnings: [],
  });
  expect(() => planCgroup({ ...input, resources: { pids: { limit: 1 } } }, facts(host))).toThrow(
    "rootless needs no limits + no cgrouppath when no permission is granted for cgroups",
  );
  expect(() => planCgroup({ ...input, cgroupsPath: "/user.slice/x" }, facts(host))).toThrow(
    "unable to apply cgroup configuration: mkdir `/sys/fs/cgroup/user.slice/x`: permission denied",
  );
});

test("rootless with a delegated cgroup: no device program, and enabling may be refused above", () => {
  const host = v2Host("/u/app/s", {
    [`${ROOT}/u/app/cgroup.subtree_control`]: "memory\n",
    [`${ROOT}/u/app/s/cgroup.procs`]: "",
  });
  const plan = planCgroup(
    { id: "c1", manager: "cgroupfs", rootless: true, resources: { memory: { limit: 5 } } },
    facts(host),
  );
  expect(plan.into).toBe(`${ROOT}/u/app/c1`);
  const shown = plan.prepare.map(show);
  expect(shown.at(-1)).toBe("write u/app/c1/memory.max 5");
  expect(shown.filter((line) => line.includes("?EACCES")).length).toBeGreaterThan(0);
});
