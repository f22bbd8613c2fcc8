import { expect, test } from "bun:test";
import { TsruncError } from "../../src/errors.ts";
import { parseSpec } from "../../src/spec/load.ts";
import type { Edits } from "./edit.ts";
import { editedText } from "./edit.ts";

/** Change to a valid config.json → where it is reported, and what the message says. */
const CASES: readonly (readonly [edits: Edits, at: string, fragment: string])[] = [
  // types, ranges and names that the schema knows
  [{ "/ociVersion": undefined }, "/ociVersion", "is required, but missing"],
  [{ "/ociVersion": 1 }, "/ociVersion", "expected a string, found `1`"],
  [{ "/root": [] }, "/root", "expected an object, found an empty list"],
  [{ "/root/path": undefined }, "/root/path", "is required, but missing"],
  [{ "/root/path": "" }, "/root/path", "expected a text that is not empty"],
  [{ "/root/readonly": "yes" }, "/root/readonly", 'expected true or false, found `"yes"`'],
  [{ "/mounts": {} }, "/mounts", "expected a list, found an object"],
  [{ "/mounts/0/destination": undefined }, "/mounts/0/destination", "is required"],
  [{ "/mounts/0/options": "ro" }, "/mounts/0/options", 'expected a list, found `"ro"`'],
  [{ "/mounts/1/options/0": 7 }, "/mounts/1/options/0", "expected a string, found `7`"],
  [{ "/process/cwd": undefined }, "/process/cwd", "is required"],
  [{ "/process/terminal": 1 }, "/process/terminal", "expected true or false"],
  [{ "/process/args": "sh" }, "/process/args", "expected a list"],
  [{ "/process/args/0": null }, "/process/args/0", "expected a string, found `null`"],
  [{ "/process/user/uid": undefined }, "/process/user/uid", "is required"],
  [{ "/process/user/uid": "root" }, "/process/user/uid", 'expected an integer, found `"root"`'],
  [{ "/process/user/uid": -1 }, "/process/user/uid", "from 0 to 4294967294, found `-1`"],
  [{ "/process/user/uid": 4294967295 }, "/process/user/uid", "from 0 to 4294967294"],
  [{ "/process/user/uid": 1.5 }, "/process/user/uid", "found `1.5`"],
  [{ "/process/user/gid": 2n ** 70n }, "/process/user/gid", "found `1180591620717411303424`"],
  [{ "/process/user/additionalGids": [1, "x"] }, "/process/user/additionalGids/1", "expected an integer"],
  [{ "/process/user/umask": 512 }, "/process/user/umask", "from 0 to 511"],
  [{ "/process/oomScoreAdj": 1001 }, "/process/oomScoreAdj", "from -1000 to 1000"],
  [{ "/process/oomScoreAdj": -1001 }, "/process/oomScoreAdj", "found `-1001`"],
  [{ "/process/rlimits/0/type": "RLIMIT_NOFILES" }, "/process/rlimits/0/type", "did you mean `RLIMIT_NOFILE`?"],
  [{ "/process/rlimits/0/type": "NOFILE" }, "/process/rlimits/0/type", "did you mean `RLIMIT_NOFILE`?"],
  [{ "/process/rlimits/0/hard": -1 }, "/process/rlimits/0/hard", "from 0 to 18446744073709551615"],
  [{ "/process/rlimits/0/hard": 2n ** 64n }, "/process/rlimits/0/hard", "found `18446744073709551616`"],
  [{ "/process/rlimits/0/soft": undefined }, "/process/rlimits/0/soft", "is required"],
  [
    { "/process/ioPriority": { class: "BE", priority: 1 } },
    "/process/ioPriority/class",
    "did you mean `IOPRIO_CLASS_BE`?",
  ],
  [{ "/process/ioPriority": { class: "IOPRIO_CLASS_RT", priority: 8 } }, "/process/ioPriority/priority", "from 0 to 7"],
  [{ "/process/scheduler": { policy: "SCHED_NORMAL" } }, "/process/scheduler/policy", "expected one of `SCHED_OTHER`"],
  [{ "/process/scheduler": {} }, "/process/scheduler/policy", "is required"],
  [
    { "/process/scheduler": { policy: "SCHED_OTHER", flags: ["X"] } },
    "/process/scheduler/flags/0",
    "SCHED_FLAG_RECLAIM",
  ],
  [{ "/linux/namespaces/0/type": "net" }, "/linux/namespaces/0/type", "expected one of `pid`, `network`"],
  [{ "/linux/namespaces/0/type": undefined }, "/linux/namespaces/0/type", "is required"],
  [{ "/linux/rootfsPropagation": "shard" }, "/linux/rootfsPropagation", "did you mean `shared`?"],
  [{ "/linux/personality": { domain: "LINUX32", flags: ["X"] } }, "/linux/personality/flags", "expected none"],
  [{ "/linux/personality": { domain: "LINUX64" } }, "/linux/personality/domain", "`LINUX32`"],
  [{ "/linux/memoryPolicy": { mode: "BIND" } }, "/linux/memoryPolicy/mode", "did you mean `MPOL_BIND`?"],
  [
    { "/linux/memoryPolicy": { mode: "MPOL_LOCAL", flags: ["A"] } },
    "/linux/memoryPolicy/flags/0",
    "MPOL_F_STATIC_NODES",
  ],
  [
    { "/linux/resources/memory": { limit: "4M" } },
    "/linux/resources/memory/limit",
    'expected an integer, found `"4M"`',
  ],
  [{ "/linux/resources/memory": { limit: 2n ** 63n } }, "/linux/resources/memory/limit", "9223372036854775807, found"],
  [{ "/linux/resources/memory": { swappiness: 101 } }, "/linux/resources/memory/swappiness", "from 0 to 100"],
  [{ "/linux/resources/cpu": { idle: 2 } }, "/linux/resources/cpu/idle", "from 0 to 1"],
  [{ "/linux/resources/blockIO": { weight: 65536 } }, "/linux/resources/blockIO/weight", "from 0 to 65535"],
  [{ "/linux/resources/devices/0/allow": undefined }, "/linux/resources/devices/0/allow", "is required"],
  [{ "/linux/resources/devices/0/type": "char" }, "/linux/resources/devices/0/type", "expected one of `a`, `c`, `b`"],
  [{ "/linux/resources/unified": { "memory.high": 1 } }, "/linux/resources/unified/memory.high", "expected a string"],
  [{ "/linux/seccomp": {} }, "/linux/seccomp/defaultAction", "is required"],
  [
    { "/linux/seccomp": { defaultAction: "SCMP_ACT_KIL" } },
    "/linux/seccomp/defaultAction",
    "did you mean `SCMP_ACT_KILL`?",
  ],
  [
    { "/linux/seccomp": { defaultAction: "SCMP_ACT_LOG", architectures: ["X86"] } },
    "/linux/seccomp/architectures/0",
    "(23 in all)",
  ],
  [{ "/linux/seccomp": seccomp({ names: [] }) }, "/linux/seccomp/syscalls/0/names", "expected at least one entry"],
  [
    { "/linux/seccomp": seccomp({ args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] }) },
    "/linux/seccomp/syscalls/0/args/0/index",
    "from 0 to 5",
  ],
  [
    { "/linux/seccomp": seccomp({ args: [{ index: 0, value: 0, op: "EQ" }] }) },
    "/linux/seccomp/syscalls/0/args/0/op",
    "did you mean `SCMP_CMP_EQ`?",
  ],
  [
    { "/linux/devices": [{ path: "/dev/x", type: "d", major: 1, minor: 1 }] },
    "/linux/devices/0/type",
    "expected one of `c`, `b`, `u`, `p`",
  ],
  [
    { "/linux/devices": [{ path: "/dev/x", type: "c", major: 4096, minor: 1 }] },
    "/linux/devices/0/major",
    "from 0 to 4095",
  ],
  [{ "/linux/timeOffsets": { boottime: { nanosecs: 1e9 } } }, "/linux/timeOffsets/boottime/nanosecs", "999999999"],
  [{ "/hooks": { prestart: [{}] } }, "/hooks/prestart/0/path", "is required"],
  [{ "/hooks": { poststop: [{ path: "/x", timeout: 0 }] } }, "/hooks/poststop/0/timeout", "found `0`"],
  [{ "/annotations": { "a/b~c": 1 } }, "/annotations/a~1b~0c", "expected a string, found `1`"],
  [{ "/vm": "kvm" }, "/vm", "expected an object"],
  // rules that relate values
  [{ "/ociVersion": "1.3" }, "/ociVersion", "expected a version such as `1.3.0`"],
  [{ "/ociVersion": "01.0.0" }, "/ociVersion", "expected a version such as `1.3.0`"],
  [{ "/ociVersion": "1.0.0-rc.01" }, "/ociVersion", "expected a version such as `1.3.0`"],
  [{ "/ociVersion": "1.0.0+a..b" }, "/ociVersion", "expected a version such as `1.3.0`"],
  [{ "/ociVersion": "2.0.0" }, "/ociVersion", "expected version 1 of the specification"],
  [{ "/root": undefined }, "/root", "is required"],
  [{ "/process/args": [] }, "/process/args", "at least one entry"],
  [{ "/process/args": undefined }, "/process/args", "is required"],
  [{ "/process/cwd": "tmp" }, "/process/cwd", "expected an absolute path"],
  [{ "/process/args/0": "s\0h" }, "/process/args/0", "without NUL"],
  [{ "/process/env/1": "A\0=b" }, "/process/env/1", "without NUL"],
  [{ "/hostname": "a\0" }, "/hostname", "without NUL"],
  [{ "/linux/sysctl": { "net.a\0": "1" } }, "/linux/sysctl", "names without NUL"],
  [{ "/process/env/1": "TERM" }, "/process/env/1", "expected `NAME=value`"],
  [{ "/process/env/1": "=x" }, "/process/env/1", "an empty name"],
  [{ "/process/consoleSize": { height: 70000, width: 1 } }, "/process/consoleSize/height", "65535"],
  [{ "/process/rlimits/1": { type: "RLIMIT_NOFILE", hard: 1, soft: 1 } }, "/process/rlimits/1/type", "is listed twice"],
  [{ "/process/rlimits/0/soft": 2000 }, "/process/rlimits/0/soft", "at most the hard limit `1024`"],
  [{ "/process/rlimits/0/soft": 2n ** 64n - 1n }, "/process/rlimits/0/soft", "found `18446744073709551615`"],
  [{ "/process/scheduler": { policy: "SCHED_OTHER", nice: 20 } }, "/process/scheduler/nice", "from -20 to 19"],
  [{ "/process/scheduler": { policy: "SCHED_FIFO" } }, "/process/scheduler/priority", "from 1 to 99"],
  [{ "/process/scheduler": { policy: "SCHED_IDLE", priority: 3 } }, "/process/scheduler/priority", "not `SCHED_IDLE`"],
  [
    { "/process/scheduler": { policy: "SCHED_RR", priority: 3, runtime: 1 } },
    "/process/scheduler/runtime",
    "only `SCHED_DEADLINE`",
  ],
  [{ "/process/scheduler": { policy: "SCHED_DEADLINE" } }, "/process/scheduler/runtime", "above 0"],
  [
    { "/process/scheduler": { policy: "SCHED_DEADLINE", runtime: 9, deadline: 8 } },
    "/process/scheduler/deadline",
    "at least the runtime `9`",
  ],
  [
    { "/process/scheduler": { policy: "SCHED_DEADLINE", runtime: 1, deadline: 8, period: 7 } },
    "/process/scheduler/period",
    "at least the deadline",
  ],
  [{ "/process/execCPUAffinity": { initial: "3-1" } }, "/process/execCPUAffinity/initial", "runs backwards"],
  [{ "/process/execCPUAffinity": { final: "a" } }, "/process/execCPUAffinity/final", "neither a number nor a range"],
  [{ "/mounts/0": { destination: "/x", options: ["bind"] } }, "/mounts/0/source", "needs a source"],
  [{ "/mounts/0": { destination: "/x", source: "y" } }, "/mounts/0/type", "needs a type"],
  [{ "/mounts/0/uidMappings": [mapping(0, 1, 1)] }, "/mounts/0/gidMappings", "is required with `uidMappings`"],
  [{ "/mounts/0/gidMappings": [mapping(0, 1, 1)] }, "/mounts/0/uidMappings", "is required with `gidMappings`"],
  [{ "/mounts/1/options/0": "idmap" }, "/mounts/1/options", "`idmap` needs"],
  [{ "/hooks": { createRuntime: [{ path: "true" }] } }, "/hooks/createRuntime/0/path", "absolute path"],
  [{ "/annotations": { "": "x" } }, "/annotations/", "an empty one"],
  [{ "/linux/namespaces/1/type": "pid" }, "/linux/namespaces/1/type", "is listed twice"],
  [{ "/linux/namespaces/1/path": "run/netns/a" }, "/linux/namespaces/1/path", "absolute path"],
  [{ "/linux/uidMappings": [mapping(0, 1, 1)] }, "/linux/uidMappings", "need a `user` namespace"],
  [{ "/linux/namespaces/0/type": "user" }, "/linux/uidMappings", "at least one mapping"],
  [userNamespace([mapping(0, 1, 0)]), "/linux/uidMappings/0/size", "from 1 to"],
  [userNamespace([mapping(0, 1, 10), mapping(9, 100, 1)]), "/linux/uidMappings/1/containerID", "overlaps with entry 0"],
  [userNamespace([mapping(0, 1, 10), mapping(10, 10, 1)]), "/linux/uidMappings/1/hostID", "overlaps with entry 0"],
  [userNamespace([mapping(0, 4294967295, 2)]), "/linux/uidMappings/0/size", "above 4294967296"],
  [userNamespace(Array.from({ length: 341 }, (_x, i) => mapping(i, i, 1))), "/linux/uidMappings", "at most 340"],
  [userNamespace([mapping(1, 1, 1)]), "/process/user/uid", "`0` is not mapped by `linux.uidMappings`"],
  [{ "/linux/timeOffsets": { boottime: { secs: 1 } } }, "/linux/timeOffsets", "need a `time` namespace"],
  [
    { ...timeNamespace("/proc/1/ns/time"), "/linux/timeOffsets": { boottime: { secs: 1 } } },
    "/linux/timeOffsets",
    "that is joined",
  ],
  [
    { ...timeNamespace(""), "/linux/timeOffsets": { realtime: { secs: 1 } } },
    "/linux/timeOffsets/realtime",
    "expected one of `monotonic`",
  ],
  [{ "/linux/namespaces/3/type": "time" }, "/hostname", "needs a `uts` namespace"],
  [{ "/domainname": "d", "/linux/namespaces/3/type": "time" }, "/domainname", "needs a `uts` namespace"],
  [{ "/hostname": "x".repeat(65) }, "/hostname", "at most 64 bytes"],
  [
    { "/process/user/additionalGids": Array.from({ length: 65_537 }, (_, i) => i) },
    "/process/user/additionalGids",
    "expected at most 65536 entries, found 65537",
  ],
  [{ "/hostname": "ü".repeat(33) }, "/hostname", "at most 64 bytes"],
  [
    { "/linux/netDevices": { eth0: {} }, "/linux/namespaces/1/type": "time" },
    "/linux/netDevices",
    "needs a `network` namespace",
  ],
  [{ "/linux/netDevices": { "eth 0": {} } }, "/linux/netDevices/eth 0", "device name"],
  [{ "/linux/netDevices": { "a/b": {} } }, "/linux/netDevices/a~1b", "device name"],
  [{ "/linux/netDevices": { eth0: { name: ".." } } }, "/linux/netDevices/eth0/name", "device name"],
  [{ "/linux/netDevices": { eth0: { name: "x".repeat(16) } } }, "/linux/netDevices/eth0/name", "15 bytes"],
  [{ "/linux/netDevices": { eth0: { name: "a%d%d" } } }, "/linux/netDevices/eth0/name", "device name"],
  [{ "/linux/netDevices": { eth0: { name: "x" }, eth1: { name: "x" } } }, "/linux/netDevices/eth1/name", "two devices"],
  [sysctl("kernel.core_pattern"), "/linux/sysctl/kernel.core_pattern", "is not of a namespace"],
  [sysctl("kernel/core_pattern"), "/linux/sysctl/kernel~1core_pattern", "is not of a namespace"],
  [sysctl("net/../kernel/core_pattern"), "/linux/sysctl/net~1..~1kernel~1core_pattern", "name of a kernel parameter"],
  [sysctl("net.//.kernel"), "/linux/sysctl/net.~1~1.kernel", "name of a kernel parameter"],
  [sysctl("net"), "/linux/sysctl/net", "name of a kernel parameter"],
  [sysctl("kernel.hostname"), "/linux/sysctl/kernel.hostname", "conflicts with `hostname`"],
  [sysctl("user.max_user_namespaces"), "/linux/sysctl/user.max_user_namespaces", "needs a namespace of type `user`"],
  [
    { ...sysctl("net.core.somaxconn"), "/linux/namespaces/1/type": "time" },
    "/linux/sysctl/net.core.somaxconn",
    "needs a namespace of type `network`",
  ],
  [
    { ...sysctl("net/core/somaxconn"), "/linux/namespaces/1/type": "time" },
    "/linux/sysctl/net~1core~1somaxconn",
    "needs a namespace of type `network`",
  ],
  [
    { ...sysctl("kernel.shmmax"), "/linux/namespaces/2/type": "time" },
    "/linux/sysctl/kernel.shmmax",
    "needs a namespace of type `ipc`",
  ],
  [
    { ...sysctl("fs.mqueue.msg_max"), "/linux/namespaces/2/type": "time" },
    "/linux/sysctl/fs.mqueue.msg_max",
    "needs a namespace of type `ipc`",
  ],
  [{ "/linux/cgroupsPath": "/a/../../b" }, "/linux/cgroupsPath", "without `..`"],
  [{ "/linux/cgroupsPath": "a:..:b" }, "/linux/cgroupsPath", "without `..`"],
  [{ "/linux/cgroupsPath": "a\nb" }, "/linux/cgroupsPath", "line breaks"],
  [{ "/linux/resources/memory": { limit: -2 } }, "/linux/resources/memory/limit", "-1 (no limit) or above"],
  [{ "/linux/resources/memory": { limit: 10, swap: 9 } }, "/linux/resources/memory/swap", "at least the limit `10`"],
  [{ "/linux/resources/memory": { swap: 9 } }, "/linux/resources/memory/swap", "needs a memory `limit`"],
  [{ "/linux/resources/cpu": { period: 999 } }, "/linux/resources/cpu/period", "1000 to 1000000"],
  [{ "/linux/resources/cpu": { quota: 999 } }, "/linux/resources/cpu/quota", "at least 1000"],
  [{ "/linux/resources/cpu": { quota: 5000, burst: 6000 } }, "/linux/resources/cpu/burst", "at most the quota"],
  [
    { "/linux/resources/cpu": { realtimeRuntime: 2, realtimePeriod: 1 } },
    "/linux/resources/cpu/realtimeRuntime",
    "at most the period",
  ],
  [{ "/linux/resources/cpu": { cpus: "all" } }, "/linux/resources/cpu/cpus", "expected a list"],
  [{ "/linux/resources/pids": { limit: -2 } }, "/linux/resources/pids/limit", "-1 (no limit)"],
  [
    { "/linux/resources/blockIO": { weightDevice: [{ major: 8, minor: 0 }] } },
    "/linux/resources/blockIO/weightDevice/0",
    "found neither",
  ],
  [
    { "/linux/resources/hugepageLimits": [{ pageSize: "2M", limit: 1 }] },
    "/linux/resources/hugepageLimits/0/pageSize",
    "`2MB`",
  ],
  [{ "/linux/resources/rdma": { mlx5_1: {} } }, "/linux/resources/rdma/mlx5_1", "found neither"],
  [{ "/linux/resources/unified": { "../../x.y": "1" } }, "/linux/resources/unified/..~1..~1x.y", "a file such as"],
  [{ "/linux/resources/devices/0/access": "x" }, "/linux/resources/devices/0/access", "some of `r`, `w` and `m`"],
  [{ "/linux/devices": [{ path: "dev/x", type: "p" }] }, "/linux/devices/0/path", "absolute path"],
  [
    { "/linux/devices": [{ path: "/dev/x", type: "b", major: 1 }] },
    "/linux/devices/0/minor",
    "is required for type `b`",
  ],
  [{ "/linux/devices": [device(1), device(2)] }, "/linux/devices/1/path", "listed before as another device"],
  [{ "/linux/maskedPaths/0": "proc" }, "/linux/maskedPaths/0", "absolute path"],
  [{ "/linux/readonlyPaths/0": "proc" }, "/linux/readonlyPaths/0", "absolute path"],
  [{ "/linux/namespaces/4/type": "time" }, "/linux/maskedPaths", "needs a `mount` namespace"],
  [{ "/linux/intelRdt": { closID: "a/b" } }, "/linux/intelRdt/closID", "name of a directory"],
  [{ "/linux/intelRdt": { closID: ".." } }, "/linux/intelRdt/closID", "name of a directory"],
  [{ "/linux/intelRdt": { memBwSchema: "L3:0=f" } }, "/linux/intelRdt/memBwSchema", "starts with `MB:`"],
  [{ "/linux/intelRdt": { schemata: ["a", "b\nc"] } }, "/linux/intelRdt/schemata/1", "one line"],
  [{ "/linux/memoryPolicy": { mode: "MPOL_BIND" } }, "/linux/memoryPolicy/nodes", "needs at least one node"],
  [{ "/linux/memoryPolicy": { mode: "MPOL_LOCAL", nodes: "0" } }, "/linux/memoryPolicy/nodes", "expected none"],
  [
    { "/linux/memoryPolicy": { mode: "MPOL_BIND", nodes: "x" } },
    "/linux/memoryPolicy/nodes",
    "invalid memory policy node",
  ],
  [
    {
      "/linux/memoryPolicy": { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"] },
    },
    "/linux/memoryPolicy/flags",
    "exclude each other",
  ],
];

function mapping(containerID: number, hostID: number, size: number): object {
  return { containerID, hostID, size };
}

function userNamespace(mappings: readonly object[]): Edits {
  return {
    "/linux/namespaces/5": { type: "user" },
    "/linux/uidMappings": mappings,
    "/linux/gidMappings": [mapping(0, 0, 1)],
  };
}

function timeNamespace(path: string): Edits {
  return { "/linux/namespaces/5": { type: "time", path } };
}

function seccomp(rule: object): object {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", ...rule }] };
}

function sysctl(name: string): Edits {
  return { "/linux/sysctl": { [name]: "1" } };
}

function device(minor: number): object {
  return { path: "/dev/x", type: "c", major: 1, minor };
}

for (const [edits, at, fragment] of CASES) {
  test(`${at}: ${fragment} (${Object.keys(edits).join(", ")})`, () => {
    const { problems } = failure(edits);
    const here = problems.filter((problem) => problem.at === at);
    expect(problems.map((problem) => problem.at)).toContain(at);
    expect(here.map((problem) => problem.message)).toEqual([expect.stringContaining(fragment)]);
  });
}

test("the table has the cases it should have", () => {
  expect(CASES.length).toBeGreaterThan(140);
});

test("all problems are reported at once, each place once", () => {
  const { problems, message } = failure({ "/process/cwd": 1, "/mounts/0/destination": "", "/linux/devices": "x" });
  expect(problems.map(({ at }) => at).sort()).toEqual(["/linux/devices", "/mounts/0/destination", "/process/cwd"]);
  expect(message).toBe("`config.json` is wrong in 3 places");
});

test("messages are one line, lower case, without a full stop, and never show the value of a variable", () => {
  for (const [edits] of CASES) {
    for (const { message } of failure({ ...edits, "/process/env/0": "SECRET" }).problems) {
      expect(message).toMatch(/^[^A-Z\n][^\n]*[^.\n]$/);
      expect(message).not.toContain("SECRET");
    }
  }
});

function failure(edits: Edits): TsruncError {
  try {
    parseSpec(editedText(edits), "config.json");
  } catch (error) {
    if (error instanceof TsruncError && error.code === "config") return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(Object.keys(edits))}`);
}
