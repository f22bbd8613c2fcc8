/** The tail of every program: from a prepared root to the user's process (config.md, "Process"). */
import { TsruncError } from "../errors.ts";
import type { CompiledFilter } from "../seccomp/compile.ts";
import { permits } from "../seccomp/outcomes.ts";
import { capabilityNames } from "../spec/capabilities.ts";
import type { CapabilitySet, Process } from "../spec/types.ts";
import { rlimitOps } from "./compile-limits.ts";
import { schedulingOps } from "./compile-scheduling.ts";
import { filteredHook, forbidsExec, type LoadOrder, loadOp } from "./compile-seccomp.ts";
import type { HostFacts } from "./input.ts";
import { literal, type Op, TOKENS } from "./ops.ts";
import { callsOf } from "./own-calls.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface ProcessInput {
  readonly process: Process;
  /** JSON pointer of the process object, "/process" or "" for a file of its own. */
  readonly at: string;
  readonly facts: HostFacts;
  /** Whether it will be in a user namespace of its own. */
  readonly userNamespace: boolean;
  readonly setGroups: boolean;
  /** It has the supplementary groups of the caller, in place of those that config.json names. */
  readonly keepGroups: boolean;
  /** The filter, where there is a profile. */
  readonly seccomp: CompiledFilter | undefined;
  readonly keepFds: number;
  /** Variables that the runtime adds to `process.env`. */
  readonly extraEnv: readonly string[];
  /**
   * It is a child of what prepared it, for it enters a pid namespace that others are in: `staying` has that remain until the
   * child is the user's program.
   */
  readonly forks: "staying" | "leaving" | undefined;
  /** Init, between the launcher's leave and the program: the wait for `start`, and startContainer hooks. */
  readonly waits: readonly Op[];
  readonly hooks: readonly Op[];
  /** The root can be written to: the working directory is made if missing. */
  readonly createCwd: boolean;
  /**
   * Its streams are those of the caller, who waits for it. runc puts pipes between then, so that files and terminals keep
   * their owner; detached they are handed over to the user by runc too.
   */
  readonly foreground: boolean;
}

export interface ProcessOps {
  /** Launcher, before init goes on: what needs the rights of the host. */
  readonly launcher: readonly Op[];
  /** Launcher, when init has said that it is ready: what is done to the child that it goes on as. */
  readonly ofChild: readonly Op[];
  /** Init, up to the working directory, which may have to be made: before the root turns read-only. */
  readonly directory: readonly Op[];
  /** Init, up to the last moment where create can still fail. */
  readonly prepare: readonly Op[];
  /** Init, from there to the program. */
  readonly finish: readonly Op[];
  readonly order: LoadOrder;
}

/**
 * In which order the filter is loaded. Under it only calls may be made that it allows, and nobody's profile knows of ours. So
 * it is loaded last of all, right before execve, wherever that is possible.
 *
 * Without no_new_privs the load takes CAP_SYS_ADMIN (seccomp(2)), which a process that others see should not have while
 * it waits or when it is forked into their pid namespace. So it is loaded early, and the capability dropped, where the filter
 * allows every call that is still to come; that is tried here, on the filter itself. Where it does not, that one capability is
 * kept until the load, and execve takes it away.
 *
 * With SCMP_ACT_NOTIFY the order is the early one too, where it can be, if somebody has to wait in between for long or is to be
 * asked about a hook.
 */
function prefersEarly({ process, seccomp, waits, hooks }: ProcessInput): boolean {
  if (seccomp === undefined) return false;
  return process.noNewPrivileges !== true || (seccomp.listener && waits.length + hooks.length > 0);
}

/** @throws TsruncError `config`, `unsupported` */
export function compileProcess(input: ProcessInput): ProcessOps {
  const { process, at } = input;
  if ((process.args ?? []).length === 0)
    throw new TsruncError("config", "`process.args` must name a program", { at: `${at}/args` });
  const scheduling = schedulingOps(process, at);
  // A scheduling policy may not outlive a fork, or forbid it (sched(7), "reset-on-fork" and SCHED_DEADLINE), and takes
  // rights that the child must not have.
  const isOfChild = ({ op }: Op) => input.forks !== undefined && op === "scheduler";
  const early = prefersEarly(input) ? inOrder(input, "early") : undefined;
  const chosen = early !== undefined && isPermitted(input, early) ? early : inOrder(input, "last");
  return {
    launcher: rlimitOps(input).raise,
    ofChild: scheduling.filter(isOfChild),
    directory: directoryOps(input),
    ...chosen,
    prepare: [...scheduling.filter((op) => !isOfChild(op)), ...chosen.prepare],
  };
}

type Ordered = Pick<ProcessOps, "prepare" | "finish" | "order">;

function isPermitted({ seccomp }: ProcessInput, { prepare, finish }: Ordered): boolean {
  const ops = [...prepare, ...finish];
  const calls = callsOf(ops.slice(ops.findIndex(({ op }) => op === "seccomp") + 1));
  return seccomp !== undefined && calls !== undefined && permits(seccomp, calls);
}

function directoryOps(input: ProcessInput): Op[] {
  const { process, at } = input;
  const hasHome = environmentOf(process).some((v) => v.startsWith("HOME="));
  return [
    { op: "closeFds", keep: input.keepFds },
    ...labelOps(input),
    ...(hasHome ? [] : [{ op: "home", uid: process.user.uid } as const]),
    { op: "umask", mask: process.user.umask ?? 0o022, at: `${at}/user/umask` },
    { op: "chdir", path: process.cwd, create: input.createCwd, late: false, at: `${at}/cwd`, what: "cwd" },
  ];
}

function inOrder(input: ProcessInput, order: LoadOrder): Ordered {
  const { process, at, seccomp, forks } = input;
  const name = process.args?.[0] ?? "";
  const limits = rlimitOps(input);
  const { ops: identity, drop } = identityOps(input);
  const load: Op[] = seccomp === undefined ? [] : [loadOp(seccomp, order)];
  const [early, last] = order === "early" ? [[...load, ...drop], []] : [[], load];
  const env = [...environmentOf(process).map(literal), ...input.extraEnv];
  const arm: Op = { op: "prepareExec", argv: process.args ?? [], env, at: `${at}/args`, what: name };
  const lookUp: Op[] = [
    { op: "stdio", uid: process.user.uid, pipes: input.foreground, at: `${at}/user` },
    ...(process.noNewPrivileges === true ? [{ op: "noNewPrivileges", at: `${at}/noNewPrivileges` } as const] : []),
    ...identity,
    { op: "chdir", path: process.cwd, create: false, late: true, at: `${at}/cwd`, what: "cwd" },
    ...limits.early,
    { op: "lookup", candidates: candidates(process), at: `${at}/args/0`, what: name },
  ];
  // What can be done before the filter comes, or before others see the process, is done there.
  const prepare: Op[] = forks
    ? [...lookUp, ...limits.nofile, arm, ...early, ...forkOps(process, at, forks), ...limits.processes]
    : [...lookUp, ...limits.processes, ...early];
  const hooks =
    seccomp === undefined || order === "early" ? input.hooks : input.hooks.map((op) => filteredHook(op, seccomp));
  const finish: Op[] = [
    { op: "post", token: TOKENS.ready },
    { op: "await", token: TOKENS.final },
    ...input.waits,
    ...(forks ? [] : limits.nofile),
    ...hooks,
    ...(forks ? [] : [arm]),
    ...last,
    { op: "exec", forbidden: forbidsExec(seccomp), at: `${at}/args`, what: name },
  ];
  return { prepare, finish, order };
}

/** Into the container's pid namespace, as late as can be: see the op fork. A session is a matter of the child. */
function forkOps(process: Process, at: string, forks: "staying" | "leaving"): Op[] {
  const ops: Op[] = [{ op: "fork", stays: forks === "staying", what: "pid namespace" }, { op: "setsid" }];
  if (process.terminal === true) ops.push({ op: "controlTerminal", at: `${at}/terminal`, what: "terminal" });
  return ops;
}

/** As runc: of several values of a variable the last counts, and an empty HOME is none. */
export function environmentOf({ env = [] }: Process): string[] {
  const last = new Map(env.map((entry, i) => [nameOf(entry), i]));
  return env.filter((entry, i) => last.get(nameOf(entry)) === i && entry !== "HOME=");
}

function nameOf(entry: string): string {
  const end = entry.indexOf("=");
  return end < 0 ? entry : entry.slice(0, end);
}

/** Where execvp(3) would look, in the container: PATH as the process will have it. */
export function candidates(process: Process): string[] {
  const name = process.args?.[0] ?? "";
  if (name.includes("/")) return [name];
  const env = process.env ?? [];
  const path = env.findLast((v) => v.startsWith("PATH="))?.slice(5);
  return (path === undefined || path === "" ? DEFAULT_PATH : path)
    .split(":")
    .map((dir) => (dir === "" ? `./${name}` : `${dir.replace(/\/+$/, "")}/${name}`));
}

/** The security label takes effect at exec: proc_pid_attr(5). */
function labelOps({ process, at, facts }: ProcessInput): Op[] {
  const ops: Op[] = [];
  const { apparmorProfile, selinuxLabel } = process;
  if (apparmorProfile !== undefined && apparmorProfile !== "") {
    if (!facts.lsm.includes("apparmor")) {
      throw new TsruncError(
        "unsupported",
        `apply apparmor profile \`${apparmorProfile}\`: apparmor is not enabled on this host`,
        {
          at: `${at}/apparmorProfile`,
        },
      );
    }
    const text = `exec ${apparmorProfile}`;
    const common = { op: "procSelf", text, ignore: [], at: `${at}/apparmorProfile`, what: "apparmor profile" } as const;
    ops.push({ ...common, file: "attr/apparmor/exec", orElse: true }, { ...common, file: "attr/exec" });
  }
  if (selinuxLabel !== undefined && selinuxLabel !== "") {
    if (!facts.lsm.includes("selinux")) {
      throw new TsruncError(
        "unsupported",
        `apply selinux label \`${selinuxLabel}\`: selinux is not enabled on this host`,
        {
          at: `${at}/selinuxLabel`,
        },
      );
    }
    ops.push({
      op: "procSelf",
      file: "attr/exec",
      text: selinuxLabel,
      ignore: [],
      at: `${at}/selinuxLabel`,
      what: "selinux label",
    });
  }
  return ops;
}

let capabilityBits: ReadonlyMap<string, bigint> | undefined;

export function capabilityMask(names: readonly string[] | undefined): bigint {
  capabilityBits ??= new Map(capabilityNames().map((name, number) => [name, 1n << BigInt(number)]));
  let mask = 0n;
  for (const name of names ?? []) mask |= capabilityBits.get(name) ?? 0n;
  return mask;
}

/** What this process may not have itself it cannot give; a user namespace starts with the full set. */
function availableCapabilities({ facts, userNamespace }: Pick<ProcessInput, "facts" | "userNamespace">): bigint {
  const known = (1n << BigInt(facts.lastCap + 1)) - 1n;
  return userNamespace ? known : facts.boundingSet & known;
}

/** Capabilities of config.json that this host cannot grant, which is to be a warning (config.md, "Linux Process"). */
export function ungrantedCapabilities(input: Pick<ProcessInput, "process" | "facts" | "userNamespace">): string[] {
  const available = availableCapabilities(input);
  if (available + 1n === 1n << BigInt(capabilityNames().length)) return [];
  const sets = Object.values(input.process.capabilities ?? {}) as readonly (readonly string[])[];
  const asked = sets.reduce((mask, set) => mask | capabilityMask(set), 0n);
  return capabilityNames().filter((name) => (asked & ~available & capabilityMask([name])) !== 0n);
}

interface Identity {
  readonly ops: readonly Op[];
  /** Takes the right to load a filter away again, where it is beyond the container's. */
  readonly drop: readonly Op[];
}

function identityOps(input: ProcessInput): Identity {
  const { process, at, facts, keepGroups } = input;
  const setGroups = input.setGroups && !keepGroups;
  const available = availableCapabilities(input);
  const set = (name: CapabilitySet) => capabilityMask(process.capabilities?.[name]) & available;
  const [bounding, permitted] = [set("bounding"), set("permitted")];
  // capset(2) refuses all where one is beyond these, and the specification wants no failure.
  const [effective, inheritable] = [set("effective") & permitted, set("inheritable") & bounding];
  const { uid, gid, additionalGids = [] } = process.user;
  const groups = new Uint8Array(Uint32Array.from(additionalGids).buffer);
  if (!input.setGroups && !keepGroups && additionalGids.length > 0) {
    throw new TsruncError("config", "`additionalGids` cannot be set where the gid map denies setgroups", {
      at: `${at}/user/additionalGids`,
    });
  }
  const loads = input.seccomp !== undefined && process.noNewPrivileges !== true;
  const kept = loads ? capabilityMask(["CAP_SYS_ADMIN"]) & available & ~(effective & permitted) : 0n;
  const place = { at: `${at}/capabilities`, what: "capabilities" } as const;
  const ops: Op[] = [
    { op: "boundingSet", mask: bounding, last: facts.lastCap, at: `${at}/capabilities/bounding` },
    { op: "credentials", uid, gid, groups, setGroups, at: `${at}/user`, what: "user" },
    {
      op: "capabilities",
      effective: effective | kept,
      permitted: permitted | kept,
      inheritable,
      // The kernel raises no others (capabilities(7)), and runc before 1.2 writes them into its default configuration.
      ambient: set("ambient") & permitted & inheritable,
      ...place,
    },
  ];
  const drop: Op[] = kept === 0n ? [] : [{ op: "dropCapabilities", effective, permitted, inheritable, ...place }];
  return { ops, drop };
}
