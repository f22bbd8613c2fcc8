/** A further process in a running container: a shorter way to the same tail. */
import { joinResctrlOps } from "../resctrl/plan.ts";
import type { ResctrlRecord } from "../resctrl/types.ts";
import type { CompiledFilter } from "../seccomp/compile.ts";
import type { Process, Spec } from "../spec/types.ts";
import { CLONE_FLAGS, canSetGroups, hasOwn, keepsGroups, namespacesOf } from "./compile-namespaces.ts";
import { compileProcess, type ProcessOps } from "./compile-process.ts";
import { anyCpuOp, bitmap, linuxProcessOps } from "./compile-scheduling.ts";
import { forbidsExec, type ListenerOps, listenerOps } from "./compile-seccomp.ts";
import type { HostFacts } from "./input.ts";
import { LAUNCHER_SLOT, type Op, PID, TOKENS } from "./ops.ts";
import type { Program } from "./program.ts";

const SLOT_TARGET = 0;
const SLOT_ROOT = 1;
const SLOT_CONSOLE = 9;
const SLOT_PIDFD = LAUNCHER_SLOT;
const SLOT_SECCOMP = LAUNCHER_SLOT + 1;
const O_PATH = 0o10000000;

export interface ExecInput {
  readonly id: string;
  readonly bundle: string;
  /** The container's config. */
  readonly spec: Spec;
  readonly process: Process;
  /** JSON pointer of `process`; "" where it is a document of its own. */
  readonly at: string;
  /** The container's first process. */
  readonly pid: number;
  readonly startTime: number;
  readonly facts: HostFacts;
  /** Cgroup v2 directory to be born in. */
  readonly into: string | undefined;
  /** v1: what moves the process into its cgroups, by itself. */
  readonly enter: readonly Op[];
  /** Groups of resctrl that the container's processes are in. */
  readonly resctrl: Pick<ResctrlRecord, "groups"> | undefined;
  readonly seccomp: CompiledFilter | undefined;
  readonly environment: readonly string[];
  readonly noNewKeyring: boolean;
  readonly detach: boolean;
  readonly preserveFds: number;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket: string | undefined;
  /** CPUs before and after the cgroup is entered (config.md, `execCPUAffinity`). */
  readonly affinity: { readonly initial: readonly number[] | undefined; readonly final: readonly number[] | undefined };
}

export function compileExec(input: ExecInput): Program {
  const ns = namespacesOf(input.spec);
  const tail = compileProcess({
    process: input.process,
    at: input.at,
    facts: input.facts,
    userNamespace: hasOwn(ns, "user"),
    setGroups: canSetGroups(input.spec, ns) && (input.facts.euid === 0 || hasOwn(ns, "user")),
    keepGroups: keepsGroups(input.spec),
    seccomp: input.seccomp,
    keepFds: input.preserveFds,
    extraEnv: [],
    forks: hasOwn(ns, "pid") ? "staying" : undefined,
    waits: [],
    hooks: [],
    createCwd: false,
    foreground: !input.detach,
  });
  const listener = listenerOps({ ...input, container: input.pid }, SLOT_SECCOMP, false);
  const launcher = [...beforeClone(input, listener), ...afterClone(input, listener.take, tail)];
  return {
    launcher,
    init: initOps(input, tail),
    cleanup: [],
    cleanupFrom: launcher.length,
    keepFds: input.preserveFds,
  };
}

function usesSocket(input: ExecInput): boolean {
  return input.process.terminal === true && input.consoleSocket !== undefined;
}

function beforeClone(input: ExecInput, { connect, clone }: ListenerOps): Op[] {
  const { facts, pid, startTime, spec } = input;
  const ns = namespacesOf(spec);
  const ops: Op[] = [];
  if (facts.nofile !== undefined) ops.push({ op: "rlimit", resource: 7, soft: facts.nofile, hard: (1n << 64n) - 2n });
  ops.push({ op: "openPidfd", slot: SLOT_TARGET, pid, start: startTime, what: "container not running" });
  // A container without a mount namespace, or without a pivot, has its root only as root of its processes.
  if (!hasOwn(ns, "mount")) ops.push({ op: "open", slot: SLOT_ROOT, path: `/proc/${pid}/root`, flags: O_PATH });
  if (input.pidfdSocket !== undefined)
    ops.push({ op: "connect", slot: SLOT_PIDFD, path: input.pidfdSocket, what: "pidfd socket" });
  if (usesSocket(input)) {
    ops.push({
      op: "connect",
      slot: SLOT_CONSOLE,
      path: input.consoleSocket ?? "",
      at: `${input.at}/terminal`,
      what: "console socket",
    });
  }
  ops.push(...connect);
  // Not yet in the container's pid namespace, where it could be looked into: see the op fork.
  const forks = hasOwn(ns, "pid");
  ops.push({ op: "clone", flags: 0, cgroup: input.into, userns: -1, ...clone, forks, what: "exec" });
  return ops;
}

function afterClone(input: ExecInput, listener: readonly Op[], tail: ProcessOps): Op[] {
  const forks = hasOwn(namespacesOf(input.spec), "pid");
  const adopt: Op[] = forks ? [{ op: "adopt", stays: true, what: "exec" }] : [];
  const { process, at } = input;
  const ops: Op[] = joinResctrlOps(input.resctrl);
  if (process.oomScoreAdj !== undefined) {
    const text = `${process.oomScoreAdj}`;
    ops.push({
      op: "childWrite",
      file: "oom_score_adj",
      text,
      ignore: [],
      at: `${at}/oomScoreAdj`,
      what: "oomScoreAdj",
    });
  }
  const [early, last] = tail.order === "early" ? [listener, []] : [[], listener];
  ops.push(...tail.launcher, { op: "post", token: TOKENS.released }, ...early, ...adopt);
  ops.push({ op: "await", token: TOKENS.ready }, ...tail.ofChild);
  if (input.pidfdSocket !== undefined) ops.push({ op: "sendPidfd", slot: SLOT_PIDFD, what: "pidfd socket" });
  if (input.pidFile !== undefined)
    ops.push({ op: "putFile", path: input.pidFile, text: PID, mode: 0o644, what: "pid file" });
  if (!input.detach) ops.push({ op: "blockSignals" });
  ops.push({ op: "post", token: TOKENS.final }, ...last);
  ops.push({ op: "awaitExec", forbidden: forbidsExec(input.seccomp) });
  if (!input.detach) ops.push({ op: "supervise" });
  return ops;
}

function initOps(input: ExecInput, tail: ProcessOps): Op[] {
  const { spec, process, affinity } = input;
  const ns = namespacesOf(spec);
  const ops: Op[] = [];
  if (affinity.initial !== undefined) ops.push(affinityOp(affinity.initial, `${input.at}/execCPUAffinity/initial`));
  ops.push(...input.enter);
  if (affinity.initial === undefined && affinity.final === undefined) ops.push(anyCpuOp());
  if (affinity.final !== undefined) ops.push(affinityOp(affinity.final, `${input.at}/execCPUAffinity/final`));
  ops.push({ op: "await", token: TOKENS.released });
  // setns(2) takes a pidfd for all kinds at once (Linux 5.8). Of the pid namespace only children become members.
  const flags = [...ns.made, ...ns.joined.keys()].reduce((sum, type) => sum | CLONE_FLAGS[type], 0);
  if (flags !== 0) ops.push({ op: "setns", slot: SLOT_TARGET, flags, what: "namespaces" });
  else ops.push({ op: "closeSlot", slot: SLOT_TARGET });
  if (hasOwn(ns, "user"))
    ops.push({ op: "becomeRoot", groups: canSetGroups(spec, ns) && !keepsGroups(spec), what: "user namespace" });
  ops.push({ op: "enterRoot", slot: hasOwn(ns, "mount") ? -1 : SLOT_ROOT });
  if (!hasOwn(ns, "pid")) ops.push({ op: "setsid" });
  if (!input.noNewKeyring)
    ops.push({ op: "keyring", name: `_ses.${input.id}`, ignore: ["ENOSYS"], what: "session keyring" });
  if (process.terminal === true) ops.push(consoleOp(input));
  if (process.terminal === true && !hasOwn(ns, "pid")) ops.push({ op: "controlTerminal", what: "terminal" });
  ops.push(...linuxProcessOps(spec.linux), ...tail.directory, { op: "forget", keep: -1 });
  ops.push(...tail.prepare, ...tail.finish);
  return ops;
}

function affinityOp(cpus: readonly number[], at: string): Op {
  return { op: "affinity", mask: bitmap(cpus), at, what: "execCPUAffinity" };
}

function consoleOp(input: ExecInput): Op {
  const { process } = input;
  return {
    op: "console",
    socket: usesSocket(input) ? SLOT_CONSOLE : -1,
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
    uid: process.user.uid,
    clearOnlcr: !usesSocket(input),
    mountConsole: false,
    at: `${input.at}/terminal`,
    what: "terminal",
  };
}
