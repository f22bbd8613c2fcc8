/** config.json and the host's facts to a {@link Program}. Pure: nothing is read or touched here. */
import { append } from "../append.ts";
import { TsruncError } from "../errors.ts";
import { joinResctrlOps, removeResctrlOps } from "../resctrl/plan.ts";
import { sysctlParts } from "../spec/check-sysctl.ts";
import { pointer } from "../spec/pointer.ts";
import type { Process, Spec } from "../spec/types.ts";
import { cleanupOps, removalOps } from "./compile-delete.ts";
import { compileHooks } from "./compile-hooks.ts";
import { askForTrees, sendTreeOps } from "./compile-mounts.ts";
import {
  canSetGroups,
  compileNamespaces,
  hasOwn,
  keepsGroups,
  type NamespaceOps,
  type Namespaces,
  namespacesOf,
} from "./compile-namespaces.ts";
import { compileNetDevices, type NetDeviceOps } from "./compile-net-devices.ts";
import { compileProcess, type ProcessOps } from "./compile-process.ts";
import { compileRootfs, NOTIFY_DIRECTORY, type RootfsOps } from "./compile-rootfs.ts";
import { anyCpuOp, linuxProcessOps } from "./compile-scheduling.ts";
import { forbidsExec, type ListenerOps, listenerOps } from "./compile-seccomp.ts";
import type { CompileInput } from "./input.ts";
import { LAUNCHER_SLOT, type Op, PID, TOKENS } from "./ops.ts";
import type { Program } from "./program.ts";

/** 0-7 are joined namespaces. */
const SLOT_START = 8;
const SLOT_CONSOLE = 9;
const SLOT_PIDFD = LAUNCHER_SLOT;
const SLOT_SECCOMP = LAUNCHER_SLOT + 1;
export const SLOT_NOTIFY = LAUNCHER_SLOT + 2;

interface Parts {
  readonly input: CompileInput;
  readonly ns: Namespaces;
  readonly names: NamespaceOps;
  readonly network: NetDeviceOps;
  readonly rootfs: RootfsOps;
  readonly listener: ListenerOps;
  readonly process: ProcessOps;
  readonly keepFds: number;
}

/** @throws TsruncError `config` and `unsupported` for what validation alone cannot tell */
export function compileCreate(input: CompileInput): Program {
  const { spec } = input;
  const ns = namespacesOf(spec);
  refuseUncovered(spec, ns);
  const keepFds = input.preserveFds + input.listenFds;
  const hooks = { spec, id: input.id, bundle: input.bundle, environment: input.environment };
  const process = compileProcess({
    process: processOf(input),
    at: "/process",
    facts: input.facts,
    userNamespace: hasOwn(ns, "user"),
    setGroups: canSetGroups(spec, ns) && (input.facts.euid === 0 || hasOwn(ns, "user")),
    keepGroups: keepsGroups(spec),
    seccomp: input.seccomp,
    keepFds,
    extraEnv: extraEnvironment(input),
    forks: !ns.joined.has("pid") ? undefined : input.mode === "create" ? "leaving" : "staying",
    waits: input.mode === "create" ? [{ op: "awaitStart", slot: SLOT_START }] : [],
    hooks: compileHooks(hooks, "startContainer", "created"),
    createCwd: true,
    foreground: input.mode === "run",
  });
  const listener = listenerOps(input, SLOT_SECCOMP, input.mode === "create" && process.order === "last");
  const names = compileNamespaces(spec, ns, input.facts, input.cgroup.into, listener.clone);
  const network = compileNetDevices(input, names.network);
  const rootfs = compileRootfs(input, ns);
  const parts: Parts = { input, ns, names, network, rootfs, listener, process, keepFds };
  const init = initOps(parts);
  return {
    launcher: launcherOps(parts, sendTreeOps(init, input)),
    init,
    cleanup: cleanup(parts),
    cleanupFrom: 0,
    keepFds,
  };
}

function cleanup({ input, network, rootfs }: Parts): Op[] {
  const leave = [...rootfs.leave, ...removeResctrlOps(input.resctrl?.creating)];
  return [...network.giveBack, ...(input.resctrl?.restore ?? []), ...cleanupOps(input, leave)];
}

/** A container can be created without; it is `start` that needs one (config.md, "Process"). Nobody executes this. */
const NO_PROCESS: Process = { user: { uid: 0, gid: 0 }, cwd: "/", args: ["/"] };

function processOf({ spec, mode }: CompileInput): Process {
  if (spec.process !== undefined) return spec.process;
  if (mode === "create") return NO_PROCESS;
  throw new TsruncError("config", "`process` is needed to start a container", { at: "/process" });
}

function refuseUncovered(spec: Spec, ns: Namespaces): void {
  if (hasOwn(ns, "mount")) return;
  const needed = (at: string, what: string): never => {
    throw new TsruncError("config", `${what} need a mount namespace`, {
      at,
      hint: 'add {"type": "mount"} to /linux/namespaces',
    });
  };
  if ((spec.linux?.maskedPaths ?? []).length > 0) needed("/linux/maskedPaths", "`maskedPaths`");
  if ((spec.linux?.readonlyPaths ?? []).length > 0) needed("/linux/readonlyPaths", "`readonlyPaths`");
}

function extraEnvironment(input: CompileInput): string[] {
  const env = input.listenFds === 0 ? [] : [`LISTEN_FDS=${input.listenFds}`, `LISTEN_PID=${PID}`];
  if (notifies(input)) env.push(`NOTIFY_SOCKET=${NOTIFY_DIRECTORY}/notify.sock`);
  return env;
}

function notifies(input: CompileInput): boolean {
  return input.notifySocket !== undefined && hasOwn(namespacesOf(input.spec), "mount");
}

/** The socket itself is made by whoever starts the container, who listens to it. */
function notifyOps(input: CompileInput): Op[] {
  if (!notifies(input)) return [];
  const directory = `${input.stateDirectory}/notify`;
  const ops: Op[] = [{ op: "mkdir", path: directory, mode: 0o755, parents: false, existOk: true, uid: -1, gid: -1 }];
  if (input.mode !== "create") ops.push({ op: "notifyListen", slot: SLOT_NOTIFY, path: `${directory}/notify.sock` });
  return ops;
}

function hasRuntimeHooks(spec: Spec): boolean {
  return (spec.hooks?.prestart ?? []).length + (spec.hooks?.createRuntime ?? []).length > 0;
}

function usesConsoleSocket(input: CompileInput): boolean {
  return input.spec.process?.terminal === true && input.consoleSocket !== undefined;
}

function launcherOps(parts: Parts, trees: readonly Op[]): Op[] {
  const { input, ns, names, network, listener, process } = parts;
  const { spec, facts, stateDirectory } = input;
  const ops: Op[] = [];
  if (facts.nofile !== undefined) ops.push(nofileOp(facts.nofile));
  append(ops, input.cgroup.prepare, input.resctrl?.prepare ?? []);
  if (input.mode === "create")
    ops.push({ op: "listen", slot: SLOT_START, directory: stateDirectory, name: "start.sock" });
  if (input.pidfdSocket !== undefined)
    ops.push({ op: "connect", slot: SLOT_PIDFD, path: input.pidfdSocket, what: "pidfd socket" });
  if (usesConsoleSocket(input)) {
    ops.push({
      op: "connect",
      slot: SLOT_CONSOLE,
      path: input.consoleSocket ?? "",
      at: "/process/terminal",
      what: "console socket",
    });
  }
  ops.push(...notifyOps(input), ...listener.connect, ...names.open);
  if (input.mode === "run" && !input.noSubreaper) ops.push({ op: "subreaper" });
  ops.push(names.clone, ...(input.cgroup.adopt ?? []), ...joinResctrlOps(input.resctrl?.record));
  ops.push(...oomOps(spec), ...names.maps);
  append(ops, process.launcher, network.move, [{ op: "post", token: TOKENS.released }], trees);
  if (hasRuntimeHooks(spec)) {
    ops.push({ op: "await", token: TOKENS.mounted });
    ops.push({ op: "putFile", path: `${stateDirectory}/state.json`, text: input.creatingTemplate, mode: 0o600 });
    const hooks = { spec, id: input.id, bundle: input.bundle, environment: input.environment };
    append(ops, compileHooks(hooks, "prestart", "creating"), compileHooks(hooks, "createRuntime", "creating"));
    ops.push({ op: "post", token: TOKENS.hooked });
  }
  const [early, last] = process.order === "early" ? [listener.take, []] : [[], listener.take];
  ops.push(...early);
  if (ns.joined.has("pid")) ops.push({ op: "adopt", stays: input.mode !== "create", what: "pid namespace" });
  ops.push({ op: "await", token: TOKENS.ready }, ...process.ofChild);
  ops.push({ op: "putFile", path: `${stateDirectory}/state.json`, text: input.stateTemplate, mode: 0o600 });
  if (input.pidfdSocket !== undefined) ops.push({ op: "sendPidfd", slot: SLOT_PIDFD, what: "pidfd socket" });
  if (input.pidFile !== undefined)
    ops.push({ op: "putFile", path: input.pidFile, text: PID, mode: 0o644, what: "pid file" });
  if (input.mode === "run") ops.push({ op: "blockSignals" });
  ops.push({ op: "post", token: TOKENS.final }, ...last);
  if (input.mode !== "create") append(ops, runOps(parts));
  return ops;
}

function nofileOp(soft: number): Op {
  return { op: "rlimit", resource: 7, soft, hard: (1n << 64n) - 2n };
}

function oomOps(spec: Spec): Op[] {
  const score = spec.process?.oomScoreAdj;
  if (score === undefined) return [];
  return [
    {
      op: "childWrite",
      file: "oom_score_adj",
      text: `${score}`,
      ignore: [],
      at: "/process/oomScoreAdj",
      what: "oomScoreAdj",
    },
  ];
}

function runOps({ input, rootfs, network }: Parts): Op[] {
  const { spec, id, bundle, environment } = input;
  const hooks = compileHooks({ spec, id, bundle, environment }, "poststart", "running");
  const ops: Op[] = [{ op: "awaitExec", forbidden: forbidsExec(input.seccomp) }, ...network.keep, ...hooks];
  if (input.notifySocket !== undefined && notifies(input)) {
    const background = input.mode === "run";
    ops.push({ op: "notifyForward", slot: SLOT_NOTIFY, socket: input.notifySocket, pid: 0, background });
  }
  if (input.mode === "run-detached") return ops;
  ops.push({ op: "supervise" });
  const leave = [...rootfs.leave, ...removeResctrlOps(input.resctrl?.record)];
  if (!input.keep) append(ops, removalOps(input, leave));
  return ops;
}

function initOps(parts: Parts): Op[] {
  const { input, ns, names, rootfs, process } = parts;
  const { spec } = input;
  // A thread that moves itself needs no lock over all processes: milliseconds less than from outside (v1).
  const ops: Op[] = [...input.cgroup.enter, anyCpuOp(), ...names.first, { op: "await", token: TOKENS.released }];
  ops.push(...names.enter);
  if (!ns.joined.has("pid")) ops.push({ op: "setsid" });
  if (!input.noNewKeyring)
    ops.push({ op: "keyring", name: `_ses.${input.id}`, ignore: ["ENOSYS"], what: "session keyring" });
  // Now that init is in its cgroup, which will be the root of what it sees.
  if (ns.made.has("cgroup"))
    ops.push({ op: "unshare", flags: 0x2000000, at: "/linux/namespaces", what: "cgroup namespace" });
  if (ns.made.has("network")) ops.push({ op: "loopback", at: "/linux/namespaces", what: "loopback device" });
  if (spec.hostname !== undefined && spec.hostname !== "")
    ops.push({ op: "hostname", name: spec.hostname, at: "/hostname" });
  if (spec.domainname !== undefined && spec.domainname !== "")
    ops.push({ op: "domainname", name: spec.domainname, at: "/domainname" });
  append(ops, rootfs.root, askForTrees(rootfs.prepare));
  if (hasRuntimeHooks(spec)) ops.push({ op: "post", token: TOKENS.mounted }, { op: "await", token: TOKENS.hooked });
  const hooks = { spec, id: input.id, bundle: input.bundle, environment: input.environment };
  append(ops, compileHooks(hooks, "createContainer", "creating"));
  append(ops, consoleOps(input, ns), rootfs.cover, rootfs.enter, sysctlOps(spec));
  append(ops, process.directory, rootfs.finish, linuxProcessOps(spec.linux));
  append(ops, names.last, [{ op: "forget", keep: input.mode === "create" ? SLOT_START : -1 }]);
  append(ops, spec.process === undefined ? process.prepare.filter(({ op }) => op !== "lookup") : process.prepare);
  append(ops, process.finish);
  return ops;
}

function consoleOps(input: CompileInput, ns: Namespaces): Op[] {
  const { process } = input.spec;
  if (process?.terminal !== true) return [];
  return [
    {
      op: "console",
      socket: usesConsoleSocket(input) ? SLOT_CONSOLE : -1,
      rows: process.consoleSize?.height ?? 0,
      columns: process.consoleSize?.width ?? 0,
      uid: process.user.uid,
      clearOnlcr: !usesConsoleSocket(input),
      mountConsole: hasOwn(ns, "mount"),
      at: "/process/terminal",
      what: "terminal",
    },
    ...(ns.joined.has("pid") ? [] : [{ op: "controlTerminal", at: "/process/terminal", what: "terminal" } as const]),
  ];
}

function sysctlOps(spec: Spec): Op[] {
  return Object.entries(spec.linux?.sysctl ?? {}).map(([name, value]) => {
    const path = sysctlParts(name).join("/");
    const at = pointer("linux", "sysctl", name);
    return { op: "sysctl", path, value, at, what: `sysctl \`${name}\`` };
  });
}
