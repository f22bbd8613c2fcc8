/** Programs of many kinds, compiled from facts of a host that does not exist: the same on every machine. */
import { type CgroupFacts, readCgroupFacts } from "../../src/cgroups/facts.ts";
import { planCgroup } from "../../src/cgroups/plan.ts";
import type { CgroupPlan } from "../../src/cgroups/types.ts";
import { compileCreate } from "../../src/program/compile.ts";
import { removalOps } from "../../src/program/compile-delete.ts";
import { compileExec, type ExecInput } from "../../src/program/compile-exec.ts";
import type { CompileInput, HostFacts } from "../../src/program/input.ts";
import { PID, START } from "../../src/program/ops.ts";
import type { Program } from "../../src/program/program.ts";
import { planResctrl } from "../../src/resctrl/plan.ts";
import type { ResctrlPlan } from "../../src/resctrl/types.ts";
import type { CompiledFilter } from "../../src/seccomp/compile.ts";
import { defaultSpec } from "../../src/spec/defaults.ts";
import type { HookName, Linux, Process, Spec } from "../../src/spec/types.ts";
import { fakeHost, v1Host, v2Host } from "../cgroups/fake-host.ts";

const STATE = "/run/tsrunc/box";
const ALL_CAPABILITIES = (1n << 41n) - 1n;

export const V1 = readCgroupFacts(v1Host());
export const V2 = readCgroupFacts(v2Host());

/** What src/cgroups makes is tested there; here it is one op of each kind. */
const V1_PLAN: CgroupPlan = {
  prepare: [
    { op: "mkdir", path: "/cpu/box", mode: 0o755, parents: true, existOk: true, uid: -1, gid: -1 },
    { op: "write", path: "/cpu/box/cpu.shares", text: "512", flags: 0, ignore: [], at: "/linux/resources/cpu/shares" },
  ],
  attach: [],
  enter: [{ op: "write", path: "/cpu/box/cgroup.procs", text: "0", flags: 0, ignore: ["ESRCH"] }],
  record: { version: "v1", manager: "cgroupfs", paths: { cpu: "/cpu/box", memory: "/memory/box" } },
  warnings: [],
};
const V2_PLAN: CgroupPlan = {
  prepare: [
    { op: "mkdir", path: "/cg/box", mode: 0o755, parents: true, existOk: true, uid: -1, gid: -1 },
    { op: "deviceProgram", cgroup: "/cg/box", program: new Uint8Array(16), beside: false },
  ],
  attach: [],
  enter: [],
  into: "/cg/box",
  record: { version: "v2", manager: "cgroupfs", paths: { "": "/cg/box" } },
  warnings: [],
};

export function hostFacts(cgroup: CgroupFacts, changes: Partial<HostFacts> = {}): HostFacts {
  return {
    euid: 0,
    egid: 0,
    lastCap: 40,
    boundingSet: ALL_CAPABILITIES,
    cgroup,
    lsm: [],
    newuidmap: undefined,
    newgidmap: undefined,
    nofile: undefined,
    kcore: false,
    inUserNamespace: false,
    ownNetwork: false,
    resctrl: undefined,
    ...changes,
  };
}

export function compileInput(spec: Spec, changes: Partial<CompileInput> = {}): CompileInput {
  return {
    spec,
    id: "box",
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    stateDirectory: STATE,
    facts: hostFacts(V2),
    cgroup: V2_PLAN,
    resctrl: undefined,
    seccomp: undefined,
    stateTemplate: `{"pid":${PID},"startTime":${START}}`,
    creatingTemplate: `{"pid":${PID},"startTime":${START},"creator":{}}`,
    environment: ["PATH=/bin"],
    mode: "create",
    keep: false,
    noPivot: false,
    noNewKeyring: false,
    noSubreaper: false,
    preserveFds: 0,
    consoleSocket: undefined,
    pidfdSocket: undefined,
    pidFile: undefined,
    notifySocket: undefined,
    listenFds: 0,
    ...changes,
  };
}

/** The least that runs: a process, a root, namespaces as given. */
export function small(types: readonly string[], linux: Partial<Linux> = {}, process: Partial<Process> = {}): Spec {
  return {
    ociVersion: "1.3.0",
    process: { user: { uid: 0, gid: 0 }, args: ["/bin/true"], env: ["HOME=/"], cwd: "/", ...process },
    root: { path: "rootfs" },
    linux: { namespaces: types.map((type) => ({ type })) as NonNullable<Linux["namespaces"]>, ...linux },
  };
}

function withTerminal(terminal: boolean): Spec {
  const spec = defaultSpec();
  return { ...spec, process: { ...(spec.process as Process), terminal } };
}

const NOTIFY: CompiledFilter = { instructions: new Uint8Array(16), length: 2, flags: 8, listener: true, arches: [] };
const IDS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

function hooked(): Spec {
  const names: readonly HookName[] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
  ];
  const hooks = names.map((name) => [name, [{ path: `/hooks/${name}`, args: [name, "a b"], timeout: 2 }]]);
  return { ...small(["pid", "mount"]), annotations: { "a.b": "c" }, hooks: Object.fromEntries(hooks) };
}

function joined(): Spec {
  const namespaces = (["pid", "network", "ipc", "user", "mount"] as const).map((type) => {
    return { type, path: `/proc/7/ns/${type}` };
  });
  return small([], { namespaces });
}

function mapped(): Spec {
  const spec = small(["user", "pid", "mount", "time"], {
    uidMappings: IDS,
    gidMappings: IDS,
    timeOffsets: { boottime: { secs: 7, nanosecs: 1 } },
    devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229 }],
  });
  return { ...spec, mounts: [{ destination: "/data", source: "/srv", options: ["rbind", "rro"] }] };
}

/** Of one that keeps its name, one that gets another, and one that the kernel names. */
function withDevices(namespace: { type: "network"; path?: string }): Spec {
  const netDevices = { eth0: { name: "wan%d" }, eth1: {}, eth2: { name: "lan" } };
  return small([], { namespaces: [namespace], netDevices });
}

function readonlyDev(): Spec {
  const spec = small(
    ["mount"],
    { rootfsPropagation: "shared" },
    { rlimits: [{ type: "RLIMIT_CORE", soft: 1, hard: 2 }] },
  );
  return {
    ...spec,
    root: { path: "rootfs", readonly: true },
    mounts: [{ destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "ro", "mode=755"] }],
  };
}

/** Into a class of service that is there, with a monitoring group. */
function rdt(): ResctrlPlan {
  const mount = "/sys/fs/resctrl";
  const host = fakeHost({ [`${mount}/gold/tasks`]: "", [`${mount}/gold/schemata`]: "    L3:0=f\n" });
  return planResctrl({ rdt: { closID: "gold", schemata: ["L3:0=3"], enableMonitoring: true }, id: "box", mount, host });
}

/** A scope of which systemd is told of limits that older versions do not know. */
function scope(): CgroupPlan {
  const resources = { memory: { limit: 1 << 20 }, cpu: { quota: 50_000, cpus: "0-1" } };
  const input = { id: "box", cgroupsPath: "a.slice:pre:box", manager: "systemd", rootless: false, resources } as const;
  return planCgroup(input, readCgroupFacts(v2Host("/", { "/run/systemd/system/x": "" })));
}

export function exec(process: Partial<Process>, spec: Spec, resctrl?: ExecInput["resctrl"]): Program {
  return compileExec({
    id: "box",
    bundle: "/bundle",
    spec,
    process: { ...(small([]).process as Process), ...process },
    at: "",
    pid: 77,
    startTime: 1234,
    facts: hostFacts(V2),
    into: "/cg/box",
    enter: [],
    resctrl,
    seccomp: undefined,
    environment: [],
    noNewKeyring: false,
    detach: process.terminal !== true,
    preserveFds: 1,
    pidFile: "/tmp/pid",
    consoleSocket: undefined,
    pidfdSocket: undefined,
    affinity: { initial: [0], final: undefined },
  });
}

function removal(): Program {
  const input = { spec: hooked(), id: "box", bundle: "/bundle", stateDirectory: STATE, environment: ["A=b"] };
  const leave = [{ op: "unmount", root: "/bundle/rootfs", paths: ["/proc", "/data"] }] as const;
  const launcher = removalOps({ ...input, cgroup: V1_PLAN }, leave);
  return { launcher, init: [], cleanup: [], cleanupFrom: launcher.length, keepFds: 0 };
}

/** By name, which is the name of its golden file too. */
export function programs(): ReadonlyMap<string, Program> {
  const create = (spec: Spec, changes: Partial<CompileInput> = {}) => compileCreate(compileInput(spec, changes));
  const host = { ...small(["pid", "uts"]), mounts: [{ destination: "/proc", type: "proc", source: "proc" }] };
  const agent = small(["mount"], { seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/agent.sock" } });
  const v1 = { facts: hostFacts(V1), cgroup: V1_PLAN };
  return new Map([
    ["default-v1", create(withTerminal(false), v1)],
    ["default-v2", create(withTerminal(false), { facts: hostFacts(V2, { nofile: 1024 }) })],
    ["run-terminal", create(withTerminal(true), { mode: "run" })],
    ["create-terminal", create(withTerminal(true), { consoleSocket: "/run/console.sock", pidFile: "/run/pid" })],
    ["user-namespace", create(mapped())],
    ["joined-namespaces", create(joined())],
    ["hooks", create(hooked(), { mode: "run" })],
    ["seccomp-listener", create(agent, { seccomp: NOTIFY })],
    ["no-mount-namespace", create(host, { mode: "run-detached", ...v1 })],
    ["no-pivot", create(small(["mount"]), { noPivot: true, noNewKeyring: true })],
    ["resctrl", create(small([]), { mode: "run", resctrl: rdt() })],
    ["exec-resctrl", exec({}, small([]), { groups: ["/sys/fs/resctrl/gold"] })],
    ["network-devices", create(withDevices({ type: "network" }))],
    ["network-devices-joined", create(withDevices({ type: "network", path: "/run/netns/box" }), { mode: "run" })],
    ["systemd", create(small(["pid", "mount"]), { mode: "run", cgroup: scope() })],
    ["readonly-dev", create(readonlyDev())],
    [
      "sockets",
      create(small(["mount"]), { notifySocket: "/run/notify.sock", listenFds: 2, pidfdSocket: "/run/p.sock" }),
    ],
    ["exec", exec({}, small(["pid", "mount", "cgroup"]))],
    [
      "exec-terminal",
      exec({ terminal: true, oomScoreAdj: 7 }, small(["user", "uts"], { uidMappings: IDS, gidMappings: IDS })),
    ],
    ["removal", removal()],
  ]);
}
