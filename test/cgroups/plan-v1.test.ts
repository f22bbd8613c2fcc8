import { expect, test } from "bun:test";
import { planCgroup } from "../../src/cgroups/plan.ts";
import type { CgroupInput } from "../../src/cgroups/types.ts";
import type { Resources } from "../../src/spec/types.ts";
import { facts, fakeHost, show, v1Host, writes } from "./fake-host.ts";

const INPUT: CgroupInput = { id: "c1", cgroupsPath: "/pod/c1", manager: "cgroupfs", rootless: false };

function limits(resources: Resources, files: Readonly<Record<string, string>> = {}): readonly string[] {
  const plan = planCgroup({ ...INPUT, resources, skipDevices: true }, facts(v1Host("/", files)));
  return writes(plan.prepare).filter((line) => !line.includes("cpuset"));
}

function failure(resources: Resources, input: Partial<CgroupInput> = {}): unknown {
  try {
    planCgroup({ ...INPUT, ...input, resources }, facts(v1Host()));
  } catch (error) {
    return error;
  }
  return undefined;
}

test("the whole plan of a container without limits", () => {
  const plan = planCgroup(INPUT, facts(v1Host()));
  expect(plan.prepare.map(show)).toEqual([
    "mkdir cpu,cpuacct/pod/c1",
    "mkdir cpuset/pod",
    "write cpuset/pod/cpuset.cpus 0-3",
    "write cpuset/pod/cpuset.mems 0",
    "mkdir cpuset/pod/c1",
    "write cpuset/pod/c1/cpuset.cpus 0-3",
    "write cpuset/pod/c1/cpuset.mems 0",
    "mkdir memory/pod/c1",
    "mkdir devices/pod/c1",
    "mkdir freezer/pod/c1",
    "mkdir blkio/pod/c1",
    "mkdir pids/pod/c1",
    "mkdir hugetlb/pod/c1",
    "mkdir net_cls,net_prio/pod/c1",
    "mkdir rdma/pod/c1",
    "mkdir systemd/pod/c1",
    "write devices/pod/c1/devices.deny a",
    "write devices/pod/c1/devices.allow c *:* m",
    "write devices/pod/c1/devices.allow b *:* m",
    "write devices/pod/c1/devices.allow c 1:3 rwm",
    "write devices/pod/c1/devices.allow c 1:8 rwm",
    "write devices/pod/c1/devices.allow c 1:7 rwm",
    "write devices/pod/c1/devices.allow c 5:0 rwm",
    "write devices/pod/c1/devices.allow c 1:5 rwm",
    "write devices/pod/c1/devices.allow c 1:9 rwm",
    "write devices/pod/c1/devices.allow c 136:* rwm",
    "write devices/pod/c1/devices.allow c 5:2 rwm",
    "write devices/pod/c1/devices.allow c 10:200 rwm",
  ]);
  expect(plan.attach.map(show)).toEqual(
    "cpu,cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls,net_prio rdma systemd"
      .split(" ")
      .map((name) => `attach ${name}/pod/c1/cgroup.procs`),
  );
  expect(plan.enter.map(show).slice(0, 2)).toEqual(["write cpu,cpuacct/pod/c1/tasks 0", "write cpuset/pod/c1/tasks 0"]);
  expect(plan.enter).toHaveLength(plan.attach.length);
  expect(plan.into).toBeUndefined();
  expect(plan.record.version).toBe("v1");
  expect(plan.record.paths).toMatchObject({
    cpu: "/sys/fs/cgroup/cpu,cpuacct/pod/c1",
    cpuacct: "/sys/fs/cgroup/cpu,cpuacct/pod/c1",
    "name=systemd": "/sys/fs/cgroup/systemd/pod/c1",
  });
});

test("hybrid: a cgroup of the unified hierarchy to be born in, and attaches for v1 only", () => {
  const host = fakeHost({
    "/proc/self/cgroup": "2:memory:/\n1:devices:/\n0::/\n",
    "/proc/self/mountinfo":
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
      "36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n" +
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
  });
  const plan = planCgroup({ ...INPUT, skipDevices: true }, facts(host));
  expect(plan.into).toBe("/sys/fs/cgroup/unified/pod/c1");
  expect(plan.prepare.map(show)).toEqual(["mkdir memory/pod/c1", "mkdir devices/pod/c1", "mkdir unified/pod/c1"]);
  expect(plan.attach.map(show)).toEqual(["attach memory/pod/c1/cgroup.procs", "attach devices/pod/c1/cgroup.procs"]);
  expect(plan.record).toMatchObject({ version: "hybrid", paths: { "": "/sys/fs/cgroup/unified/pod/c1" } });
});

test("hybrid without a v1 devices hierarchy filters devices on cgroup2", () => {
  const host = fakeHost({
    "/proc/self/cgroup": "2:memory:/\n0::/\n",
    "/proc/self/mountinfo":
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
  });
  expect(planCgroup(INPUT, facts(host)).prepare.map(show).at(-1)).toBe("deviceProgram unified/pod/c1");
});

test("a cpuset that is there and filled is kept; what is empty is filled from above", () => {
  const host = v1Host("/", {
    "/sys/fs/cgroup/cpuset/pod/cpuset.cpus": "2\n",
    "/sys/fs/cgroup/cpuset/pod/cpuset.mems": "0\n",
    "/sys/fs/cgroup/cpuset/pod/c1/cpuset.cpus": "\n",
    "/sys/fs/cgroup/cpuset/pod/c1/cpuset.mems": "0\n",
  });
  const plan = planCgroup({ ...INPUT, skipDevices: true }, facts(host));
  expect(plan.prepare.map(show).filter((line) => line.includes("cpuset"))).toEqual([
    "mkdir cpuset/pod/c1",
    "write cpuset/pod/c1/cpuset.cpus 2",
  ]);
});

test("asked-for cpus win over the parent's", () => {
  const plan = planCgroup({ ...INPUT, resources: { cpu: { cpus: "1" } }, skipDevices: true }, facts(v1Host()));
  expect(plan.prepare.map(show)).toContain("write cpuset/pod/c1/cpuset.cpus 1");
  expect(plan.prepare.find((op) => op.at === "/linux/resources/cpu/cpus")).toBeDefined();
});

test("memory: every field, in an order that the kernel takes for a new cgroup", () => {
  const memory = {
    limit: 100,
    reservation: 50,
    swap: 200,
    kernel: 7,
    kernelTCP: 8,
    swappiness: 10,
    disableOOMKiller: true,
    useHierarchy: true,
  };
  const root = "/sys/fs/cgroup/memory";
  const files = { [`${root}/memory.kmem.limit_in_bytes`]: "1", [`${root}/memory.kmem.tcp.limit_in_bytes`]: "1" };
  expect(limits({ memory }, files)).toEqual([
    "write memory/pod/c1/memory.limit_in_bytes 100",
    "write memory/pod/c1/memory.memsw.limit_in_bytes 200",
    "write memory/pod/c1/memory.soft_limit_in_bytes 50",
    "write memory/pod/c1/memory.kmem.limit_in_bytes 7",
    "write memory/pod/c1/memory.kmem.tcp.limit_in_bytes 8",
    "write memory/pod/c1/memory.oom_control 1",
    "write memory/pod/c1/memory.swappiness 10",
  ]);
  const place = expect.objectContaining({ at: "/linux/resources/memory/kernel" });
  expect(() => limits({ memory: { kernel: 7 } })).toThrow(place);
  expect(limits({ memory: { kernel: -1, kernelTCP: -1 } })).toEqual([]);
});

test("memory: unlimited swap goes first, zeros are unset", () => {
  expect(limits({ memory: { limit: 100, swap: -1 } })).toEqual([
    "write memory/pod/c1/memory.memsw.limit_in_bytes -1",
    "write memory/pod/c1/memory.limit_in_bytes 100",
  ]);
  expect(limits({ memory: { limit: 0, swap: 0, reservation: 0, kernel: 0, swappiness: -1 } })).toEqual([]);
  expect(limits({ memory: { limit: 9223372036854775807n } })).toEqual([
    "write memory/pod/c1/memory.limit_in_bytes 9223372036854775807",
  ]);
});

test("cpu: every field", () => {
  const cpu = { shares: 512, quota: 5000, period: 10000, burst: 100, idle: 1, realtimeRuntime: 3, realtimePeriod: 4 };
  expect(limits({ cpu })).toEqual([
    "write cpu,cpuacct/pod/c1/cpu.shares 512",
    "write cpu,cpuacct/pod/c1/cpu.cfs_period_us 10000",
    "write cpu,cpuacct/pod/c1/cpu.cfs_quota_us 5000",
    "write cpu,cpuacct/pod/c1/cpu.cfs_burst_us 100",
    "write cpu,cpuacct/pod/c1/cpu.rt_period_us 4",
    "write cpu,cpuacct/pod/c1/cpu.rt_runtime_us 3",
    "write cpu,cpuacct/pod/c1/cpu.idle 1",
  ]);
});

test("pids, huge pages, rdma, network and block devices", () => {
  const device = { major: 8, minor: 0 };
  const found = limits({
    pids: { limit: 0 },
    hugepageLimits: [{ pageSize: "2MB", limit: 4096 }],
    rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 }, mlx4_0: { hcaObjects: 5 } },
    network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] },
    blockIO: {
      weight: 10,
      leafWeight: 11,
      weightDevice: [{ ...device, weight: 12, leafWeight: 13 }],
      throttleReadBpsDevice: [{ ...device, rate: 1 }],
      throttleWriteBpsDevice: [{ ...device, rate: 18446744073709551615n }],
      throttleReadIOPSDevice: [{ ...device, rate: 3 }],
      throttleWriteIOPSDevice: [{ ...device, rate: 4 }],
    },
  });
  expect(found.map((line) => line.replace("write ", "").replace("/pod/c1/", " "))).toEqual([
    "pids pids.max 1",
    "hugetlb hugetlb.2MB.limit_in_bytes 4096",
    "hugetlb hugetlb.2MB.rsvd.limit_in_bytes 4096 ?ENOENT",
    "rdma rdma.max mlx5_1 hca_handle=3 hca_object=10000",
    "rdma rdma.max mlx4_0 hca_object=5",
    "blkio blkio.bfq.weight 10",
    "blkio blkio.leaf_weight 11",
    "blkio blkio.bfq.weight_device 8:0 12",
    "blkio blkio.leaf_weight_device 8:0 13",
    "blkio blkio.throttle.read_bps_device 8:0 1",
    "blkio blkio.throttle.write_bps_device 8:0 18446744073709551615",
    "blkio blkio.throttle.read_iops_device 8:0 3",
    "blkio blkio.throttle.write_iops_device 8:0 4",
    "net_cls,net_prio net_cls.classid 1048577",
    "net_cls,net_prio net_prio.ifpriomap eth0 5",
  ]);
});

test("what is refused, and where", () => {
  const base = "/linux/resources";
  const table: readonly (readonly [Resources, string, string])[] = [
    [{ unified: { "memory.min": "1" } }, "invalid configuration: cannot use unified on cgroup v1", "/unified"],
    [{ cpu: { shares: 1 } }, "the minimum allowed cpu-shares is 2", "/cpu/shares"],
    [{ cpu: { shares: 262145 } }, "the maximum allowed cpu-shares is 262144", "/cpu/shares"],
    [{ cpu: { quota: 10, burst: 11 } }, "burst 11 is larger than quota 10", "/cpu/burst"],
    [
      { memory: { swappiness: 101 } },
      "invalid memory swappiness value: 101 (valid range is 0-100)",
      "/memory/swappiness",
    ],
    [
      { hugepageLimits: [{ pageSize: "3MB", limit: 1 }] },
      "huge page size `3MB` is not known to the kernel",
      "/hugepageLimits/0/pageSize",
    ],
    [{ rdma: { "a b": { hcaHandles: 1 } } }, "`a b` is not a device name", ""],
    [
      { devices: [{ allow: true, access: "x" }] },
      "device access must be some of `r`, `w` and `m`",
      "/devices/0/access",
    ],
  ];
  for (const [resources, message, at] of table) {
    expect(failure(resources)).toMatchObject({ message, at: base + at });
  }
});

test("an empty unified map is no error on v1", () => {
  expect(failure({ unified: {} })).toBeUndefined();
});

test("a controller that is not mounted is an error only if it is needed", () => {
  const host = fakeHost({
    "/proc/self/cgroup": "1:devices:/\n",
    "/proc/self/mountinfo": "36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n",
  });
  expect(planCgroup(INPUT, facts(host)).record.paths).toEqual({ devices: "/sys/fs/cgroup/devices/pod/c1" });
  const plan = () => planCgroup({ ...INPUT, resources: { pids: { limit: 5 } } }, facts(host));
  expect(plan).toThrow(
    expect.objectContaining({ message: "cgroup controller `pids` is not mounted", at: "/linux/resources/pids/limit" }),
  );
  const cpus = () => planCgroup({ ...INPUT, resources: { cpu: { cpus: "0" } } }, facts(host));
  expect(cpus).toThrow(expect.objectContaining({ message: "cgroup controller `cpuset` is not mounted" }));
});

test("the devices hierarchy is needed for every container that is not rootless", () => {
  const host = fakeHost({
    "/proc/self/cgroup": "1:pids:/\n",
    "/proc/self/mountinfo": "36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
  });
  expect(() => planCgroup(INPUT, facts(host))).toThrow("cgroup controller `devices` is not mounted");
  expect(planCgroup({ ...INPUT, rootless: true }, facts(host)).record.paths).toHaveProperty("pids");
});

test("a cgroup with processes, a frozen one and the root are not fit for a container", () => {
  const leaf = "/sys/fs/cgroup/devices/pod/c1";
  const busy = v1Host("/", { [`${leaf}/cgroup.procs`]: "12\n", [`${leaf}/sub/cgroup.procs`]: "13\n14\n" });
  expect(() => planCgroup(INPUT, facts(busy))).toThrow("container's cgroup is not empty: 3 process(es) found");
  const frozen = v1Host("/", {
    [`${leaf}/cgroup.procs`]: "",
    "/sys/fs/cgroup/freezer/pod/c1/freezer.state": "FROZEN\n",
  });
  expect(() => planCgroup(INPUT, facts(frozen))).toThrow("container's cgroup unexpectedly frozen");
  expect(() => planCgroup({ ...INPUT, cgroupsPath: "/.." }, facts(v1Host()))).toThrow(
    "names the root of the hierarchy",
  );
});

test("rootless without access: nothing if nothing is asked, errors as runc's if something is", () => {
  const mountinfo =
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
    "36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
  const files = {
    "/proc/self/cgroup": "1:pids:/\n2:memory:/\n",
    "/proc/self/mountinfo": mountinfo,
    "/sys/fs/cgroup/pids/cgroup.procs": "",
    "/sys/fs/cgroup/memory/cgroup.procs": "",
  };
  const host = fakeHost(files, { readOnly: ["/sys/fs/cgroup/pids"] });
  const input: CgroupInput = { id: "c1", manager: "cgroupfs", rootless: true };
  const plan = planCgroup(input, facts(host));
  expect(plan.record.paths).toEqual({ memory: "/sys/fs/cgroup/memory/c1" });
  expect(plan.attach.map(show)).toEqual(["attach memory/c1/cgroup.procs"]);
  expect(() => planCgroup({ ...input, resources: { pids: { limit: 1 } } }, facts(host))).toThrow(
    "cannot set pids limit: container could not join or create cgroup",
  );
  expect(() => planCgroup({ ...input, cgroupsPath: "/x" }, facts(host))).toThrow(
    "unable to apply cgroup configuration: mkdir `/sys/fs/cgroup/pids/x`: permission denied",
  );
});

test("no cgroups at all, and cgroups switched off", () => {
  const none = facts(fakeHost({}));
  expect(() => planCgroup(INPUT, none)).toThrow("no cgroup mount found in mountinfo");
  expect(planCgroup({ id: "a", manager: "cgroupfs", rootless: true }, none).record.version).toBe("none");
  const off = planCgroup({ ...INPUT, manager: "disabled" }, facts(v1Host()));
  expect(off).toEqual({
    prepare: [],
    attach: [],
    enter: [],
    record: { version: "none", manager: "disabled", paths: {} },
    warnings: [],
  });
});
