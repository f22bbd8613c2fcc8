import { expect, test } from "bun:test";
import { planCgroup } from "../../src/cgroups/plan.ts";
import { removePlan, withoutGoneUnit } from "../../src/cgroups/remove.ts";
import { findManager, outerUid } from "../../src/cgroups/systemd/manager.ts";
import type { CgroupInput } from "../../src/cgroups/types.ts";
import { updatePlan } from "../../src/cgroups/update.ts";
import { FIELDS } from "../../src/dbus/marshal.ts";
import { callText, readMessages } from "../../src/dbus/unmarshal.ts";
import { TsruncError } from "../../src/errors.ts";
import type { Op, OpOf } from "../../src/program/ops.ts";
import { facts, fakeHost, show, v1Host, v2Host } from "../cgroups/fake-host.ts";

const INPUT: CgroupInput = {
  id: "c1",
  cgroupsPath: "a-b.slice:pre:c1",
  manager: "systemd",
  rootless: false,
  skipDevices: true,
};
const DIRECTORY = "/sys/fs/cgroup/a.slice/a-b.slice/pre-c1.scope";
const SYSTEM = [
  { address: "unix:path=/run/systemd/private", peer: true },
  { address: "unix:path=/run/dbus/system_bus_socket", peer: false },
];
const BOOTED = { "/run/systemd/system/x": "" };
const USER_SERVICE = "/user.slice/user-1000.slice/user@1000.service";

function busCall(op: Op | undefined): OpOf<"busCall"> {
  if (op?.op !== "busCall") throw new Error("it is no call");
  return op;
}

const texts = (messages: Uint8Array) => readMessages(messages).map(callText);

/** What a call says of properties, in its first form, by their names. */
function properties(op: Op | undefined): Record<string, unknown> {
  const [message] = readMessages(busCall(op).call);
  const list = message?.body[2] as readonly (readonly [string, { readonly value: unknown }])[];
  return Object.fromEntries(list.map(([name, { value }]) => [name, value]));
}

function refusal(action: () => unknown): TsruncError {
  try {
    action();
  } catch (error) {
    if (error instanceof TsruncError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("a scope is made around the process, and its limits are written after that", () => {
  const resources = { memory: { limit: 4096 }, hugepageLimits: [{ pageSize: "2MB", limit: 0 }] };
  const plan = planCgroup({ ...INPUT, resources }, facts(v2Host("/", BOOTED)));
  expect(plan).toMatchObject({ prepare: [], attach: [], enter: [] });
  expect(plan.into).toBeUndefined();
  const [first, ...rest] = plan.adopt ?? [];
  expect(first).toMatchObject({
    peers: ["/run/systemd/private"],
    buses: ["/run/dbus/system_bus_socket"],
    job: "pre-c1.scope",
    at: "/linux/cgroupsPath",
    origins: { MemoryMax: "/linux/resources/memory/limit" },
  });
  const { call, greeting, before } = busCall(first);
  const pidAt = Number(busCall(first).pidAt);
  const [message] = readMessages(call);
  expect(message?.fields.get(FIELDS.member)).toBe("StartTransientUnit");
  expect(message?.body.slice(0, 2)).toEqual(["pre-c1.scope", "fail"]);
  expect([...call.subarray(pidAt, pidAt + 4)]).toEqual([255, 255, 255, 255]);
  expect(properties(first)).toEqual({
    PIDs: [0xffffffff],
    Description: "container c1",
    Slice: "a-b.slice",
    Delegate: true,
    DefaultDependencies: false,
    MemoryAccounting: true,
    CPUAccounting: true,
    IOAccounting: true,
    TasksAccounting: true,
    MemoryMax: 4096n,
  });
  expect(texts(before)).toEqual(['ResetFailedUnit("pre-c1.scope")']);
  expect(texts(greeting)).toEqual(["Hello()", expect.stringContaining("arg2='pre-c1.scope'")]);
  // hugetlb is none of systemd's controllers, so we hand it down ourselves; the root does so already.
  expect(rest[0]).toMatchObject({ op: "inCgroup", line: "0::/a.slice/a-b.slice/pre-c1.scope" });
  expect(rest.slice(1).map(show)).toEqual([
    "mkdir a.slice",
    "write a.slice/cgroup.subtree_control +hugetlb ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "write a.slice/cgroup.subtree_control +hugetlb",
    "mkdir a.slice/a-b.slice",
    "write a.slice/a-b.slice/cgroup.subtree_control +hugetlb ?EBUSY ?ENOENT ?EOPNOTSUPP ?EINVAL",
    "write a.slice/a-b.slice/cgroup.subtree_control +hugetlb",
    "write a.slice/a-b.slice/pre-c1.scope/memory.max 4096",
    "write a.slice/a-b.slice/pre-c1.scope/hugetlb.2MB.max 0",
    "write a.slice/a-b.slice/pre-c1.scope/hugetlb.2MB.rsvd.max 0 ?ENOENT",
  ]);
  expect(plan.record).toEqual({
    version: "v2",
    manager: "systemd",
    paths: { "": DIRECTORY },
    systemd: { unit: "pre-c1.scope", addresses: SYSTEM, file: "/run/systemd/transient/pre-c1.scope" },
  });
});

test("annotations become properties and win over our own", () => {
  const annotations = { "org.systemd.property.DefaultDependencies": "true" };
  const plan = planCgroup({ ...INPUT, annotations }, facts(v2Host("/", BOOTED)));
  expect(properties(plan.adopt?.[0])).toMatchObject({ DefaultDependencies: true });
});

test("managers that do not know a property are not told of it", () => {
  const resources = { cpu: { idle: 1, quota: 20000, cpus: "0" } };
  const plan = planCgroup({ ...INPUT, resources }, facts(v2Host("/", BOOTED)));
  const { call, otherwise } = busCall(plan.adopt?.[0]);
  const versions = readMessages(call).map(({ body }) => {
    const names = (body[2] as readonly (readonly [string])[]).map(([name]) => name);
    return names.filter((name) => /^(CPUWeight|CPUQuota.*|AllowedCPUs)$/.test(name)).sort();
  });
  expect(versions).toEqual([
    ["AllowedCPUs", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "CPUWeight"],
    ["AllowedCPUs", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec"],
    ["CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec"],
    ["CPUQuotaPerSecUSec"],
  ]);
  expect(otherwise).toContain("org.freedesktop.DBus.Error.PropertyReadOnly");
});

test("a container that owns its cgroup", () => {
  const plan = planCgroup({ ...INPUT, ownerUid: 1001 }, facts(v2Host("/", BOOTED)));
  expect(plan.adopt?.filter(({ op }) => op === "chown")).toEqual(
    ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"].map((file) => ({
      ...{ op: "chown", path: DIRECTORY + file, uid: 1001, gid: -1, ignore: ["ENOENT"], what: "cgroup" },
    })),
  );
});

test("what it needs: systemd, and on cgroup v1 its own hierarchy and root", () => {
  expect(refusal(() => planCgroup(INPUT, facts(v2Host())))).toMatchObject({ code: "unsupported" });
  expect(refusal(() => planCgroup(INPUT, facts(fakeHost({})))).code).toBe("unsupported");
  const rootless = refusal(() => planCgroup({ ...INPUT, rootless: true }, facts(v1Host("/", BOOTED))));
  expect(rootless.message).toContain("cgroup v2 alone");
  expect(rootless.hint).toContain("--systemd-cgroup");
});

test("cgroup v1: the process enters, systemd starts the scope, and the limits are written after that", () => {
  const resources = { memory: { limit: 1 << 20 }, cpu: { shares: 512, quota: 33333, cpus: "0" }, pids: { limit: 9 } };
  const plan = planCgroup({ ...INPUT, resources }, facts(v1Host("/", BOOTED)));
  const own = "a.slice/a-b.slice/pre-c1.scope";
  expect(plan.record.paths["name=systemd"]).toBe(`/sys/fs/cgroup/systemd/${own}`);
  expect(plan.record.paths.freezer).toBe(`/sys/fs/cgroup/freezer/${own}`);
  expect(plan.record.systemd?.unit).toBe("pre-c1.scope");
  expect(plan.enter.map(show)).toContain(`write cpuset/${own}/tasks 0`);
  expect(plan.prepare.map(show).filter((line) => line.startsWith("write"))).toEqual([
    "write cpuset/a.slice/cpuset.cpus 0-3",
    "write cpuset/a.slice/cpuset.mems 0",
    "write cpuset/a.slice/a-b.slice/cpuset.cpus 0-3",
    "write cpuset/a.slice/a-b.slice/cpuset.mems 0",
    `write cpuset/${own}/cpuset.cpus 0`,
    `write cpuset/${own}/cpuset.mems 0`,
  ]);
  const [first, second, ...rest] = plan.adopt ?? [];
  expect(properties(first)).toMatchObject({
    Slice: "a-b.slice",
    MemoryLimit: 1n << 20n,
    CPUShares: 512n,
    CPUQuotaPerSecUSec: 340000n,
    TasksMax: 9n,
  });
  expect(second).toMatchObject({ op: "inCgroup", line: `:name=systemd:/${own}` });
  expect(rest.map(show)).toEqual([
    `write memory/${own}/memory.limit_in_bytes 1048576`,
    `write cpu,cpuacct/${own}/cpu.shares 512`,
    `write cpu,cpuacct/${own}/cpu.cfs_period_us 100000`,
    `write cpu,cpuacct/${own}/cpu.cfs_quota_us 34000`,
    `write pids/${own}/pids.max 9`,
  ]);
});

test("cgroup v1: an update tells systemd too", () => {
  const { record } = planCgroup(INPUT, facts(v1Host("/", BOOTED)));
  const cpu = `${record.paths.cpu}`;
  const host = v1Host("/", { [`${cpu}/cpu.cfs_quota_us`]: "-1\n", [`${cpu}/cpu.cfs_period_us`]: "100000\n" });
  const { ops, tell } = updatePlan({ cpu: { quota: 12345 }, memory: { limit: -1 } }, record, facts(host));
  expect(ops.map(show).at(-1)).toEndWith("cpu.cfs_quota_us 13000");
  expect(texts(busCall(tell[0]).call)[0]).toContain('["MemoryLimit", 18446744073709551615]');
  expect(texts(busCall(tell[0]).call)[0]).toContain('["CPUQuotaPerSecUSec", 130000]');
});

test("removal ends with the unit, unless systemd has taken it away", () => {
  const { record } = planCgroup(INPUT, facts(v2Host("/", BOOTED)));
  const [remove, stop] = removePlan(record, { kill: true });
  expect(remove).toMatchObject({ op: "cgroupRemove", path: DIRECTORY, kill: true });
  expect(stop).toMatchObject({
    ...{ op: "busCall", job: "pre-c1.scope", warn: true, file: "/run/systemd/transient/pre-c1.scope" },
    ignore: ["org.freedesktop.systemd1.NoSuchUnit"],
  });
  expect(texts(busCall(stop).ahead)).toEqual(['ResetFailedUnit("pre-c1.scope")']);
  expect(texts(busCall(stop).call)).toEqual(['StopUnit("pre-c1.scope", "replace")']);
  expect(texts(busCall(stop).after)).toEqual(['ResetFailedUnit("pre-c1.scope")']);
  expect(withoutGoneUnit(record, fakeHost({ "/run/systemd/transient/pre-c1.scope": "" }))).toBe(record);
  expect(removePlan(withoutGoneUnit(record, fakeHost({})), { kill: true })).toHaveLength(1);
});

test("an update tells the kernel, then systemd", () => {
  const { record } = planCgroup(INPUT, facts(v2Host("/", BOOTED)));
  const files = {
    [`${DIRECTORY}/cgroup.controllers`]: "cpu memory pids rdma\n",
    [`${DIRECTORY}/pids.max`]: "5\n",
    [`${DIRECTORY}/cpu.max`]: "200000 900000\n",
  };
  const host = v2Host("/", files);
  const { ops, tell, untell } = updatePlan({ pids: { limit: 7 } }, record, facts(host));
  expect(ops.map(show)).toEqual(["write a.slice/a-b.slice/pre-c1.scope/pids.max 7"]);
  expect(texts(busCall(tell[0]).call)).toEqual(['SetUnitProperties("pre-c1.scope", true, [["TasksMax", 7]])']);
  expect(texts(busCall(tell[0]).greeting)).toEqual(["Hello()"]);
  expect(texts(busCall(untell[0]).call)).toEqual(['SetUnitProperties("pre-c1.scope", true, [["TasksMax", 5]])']);
  const unknown = updatePlan({ rdma: { mlx5_1: { hcaHandles: 3 } } }, record, facts(host));
  expect(unknown).toMatchObject({ tell: [], untell: [] });
  // A new period alone changes the share, which is rounded again.
  const period = updatePlan({ cpu: { period: 300000 } }, record, facts(host));
  expect(period.ops.map(show)).toEqual(["write a.slice/a-b.slice/pre-c1.scope/cpu.max 201000 300000"]);
});

test("a cgroup that is idle no longer has the default weight", () => {
  const { record } = planCgroup(INPUT, facts(v2Host("/", BOOTED)));
  const told = (idle: string) => {
    const files = { [`${DIRECTORY}/cgroup.controllers`]: "cpu\n", [`${DIRECTORY}/cpu.idle`]: idle };
    const { tell } = updatePlan({ cpu: { idle: 0 } }, record, facts(v2Host("/", files)));
    return tell.map((op) => (properties as (op: Op) => unknown)(op));
  };
  expect(told("1\n")).toEqual([{ CPUWeight: 100n }]);
  expect(told("0\n")).toEqual([]);
});

const USER_FILES = {
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/run/user/1000/systemd/private": "",
  "/run/user/1000/bus": "",
  [`/sys/fs/cgroup${USER_SERVICE}/cgroup.controllers`]: "memory pids\n",
};

test("an unprivileged user's manager", () => {
  const manager = findManager(true, facts(v2Host("/user.slice/user-1000.slice/session-1.scope", USER_FILES)), {}, 1000);
  expect(manager).toEqual({
    kind: "user",
    addresses: [
      { address: "unix:path=/run/user/1000/systemd/private", peer: true },
      { address: "unix:path=/run/user/1000/bus", peer: false },
    ],
    cgroup: USER_SERVICE,
    transient: "/run/user/1000/systemd/transient",
    defaultSlice: "user.slice",
  });
  // Elsewhere than usual, as our own cgroup tells.
  const own = "/x.slice/user@1000.service/app.slice/y.scope";
  expect(findManager(true, facts(v2Host(own, USER_FILES)), {}, 1000).cgroup).toBe("/x.slice/user@1000.service");
});

test("the environment names the user's bus", () => {
  const env = { XDG_RUNTIME_DIR: "/r n", DBUS_SESSION_BUS_ADDRESS: "unix:abstract=x" };
  const files = { ...USER_FILES, "/r n/systemd/private": "" };
  expect(findManager(true, facts(v2Host("/", files)), env, 1000).addresses).toEqual([
    { address: "unix:path=/r%20n/systemd/private", peer: true },
    { address: "unix:abstract=x", peer: false },
  ]);
});

test("root of a user namespace has the user's manager, or the namespace's own systemd", () => {
  const map = { "/proc/self/uid_map": "0 1000 1\n1 100000 65536\n" };
  expect(findManager(true, facts(v2Host("/", { ...USER_FILES, ...map })), {}, 0).cgroup).toBe(USER_SERVICE);
  expect(findManager(true, facts(v2Host("/", { ...BOOTED, ...map })), {}, 0).kind).toBe("system");
  expect(outerUid(3, map["/proc/self/uid_map"])).toBe(100002);
  expect(outerUid(7, undefined)).toBe(7);
});

test("a user without a manager is told how to get one", () => {
  const error = refusal(() => findManager(true, facts(v2Host("/", BOOTED)), {}, 1000));
  expect(error).toMatchObject({ code: "unsupported" });
  expect(error.message).toContain("no user manager found");
});

test("systemd in a container counts its cgroups from its own init", () => {
  const files = { ...BOOTED, "/proc/1/cgroup": "0::/machine.slice/m.scope/init.scope\n" };
  expect(findManager(false, facts(v2Host("/", files)), {}, 0).cgroup).toBe("/machine.slice/m.scope");
});

test("a limit that is not delegated to the user", () => {
  const euid = process.geteuid?.() ?? 0;
  const files = {
    ...USER_FILES,
    "/proc/self/uid_map": `${euid} 1000 1\n`,
    "/run/user/1000/systemd/private": "",
  };
  const input = { ...INPUT, rootless: true, resources: { cpu: { shares: 5 } } };
  const env = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = "/run/user/1000";
  try {
    const error = refusal(() => planCgroup(input, facts(v2Host("/", files))));
    expect(error).toMatchObject({ code: "unsupported", at: "/linux/resources/cpu/shares" });
    expect(error.hint).toContain("Delegate=");
  } finally {
    if (env === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = env;
  }
});
