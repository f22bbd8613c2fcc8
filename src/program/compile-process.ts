/** The tail of every program: from a prepared root to the user's process (config.md, "Process"). */
import { TsruncError } from "../errors.ts";
import { capabilityNames } from "../spec/capabilities.ts";
import type { CapabilitySet, Process, Uint64 } from "../spec/types.ts";
import { schedulingOps } from "./compile-scheduling.ts";
import type { HostFacts } from "./input.ts";
import { KEEP_HARD_LIMIT, literal, type Op } from "./ops.ts";

/** asm-generic/resource.h */
const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};
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
  /** Ops that load the seccomp filter; none: no profile. */
  readonly seccomp: readonly Op[];
  /** Other than by the last step: for the launcher, which takes the listener, or for hooks, which run under it as well. */
  readonly seccompEarly: boolean;
  readonly keepFds: number;
  /** Variables that the runtime adds to `process.env`. */
  readonly extraEnv: readonly string[];
  /** It is a child of what prepared it: exec into a pid namespace. */
  readonly forks: boolean;
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
  /** Init, up to the last moment where create can still fail. */
  readonly prepare: readonly Op[];
  /** Init, after start let it through. */
  readonly finish: readonly Op[];
}

export function compileProcess(input: ProcessInput): ProcessOps {
  const { process, at } = input;
  const args = process.args ?? [];
  if (args.length === 0) throw new TsruncError("config", "`process.args` must name a program", { at: `${at}/args` });
  const late = process.noNewPrivileges === true && !input.seccompEarly;
  // Without no_new_privs only CAP_SYS_ADMIN may load a filter (seccomp(2)), so it is loaded while that is held.
  const early = process.noNewPrivileges !== true && input.seccomp.length > 0;
  const limits = rlimitOps(input);
  const { uid } = process.user;
  const cwdAt = `${at}/cwd`;
  const identity: Op[] = [
    ...identityOps(input),
    { op: "chdir", path: process.cwd, create: false, late: true, at: cwdAt, what: "cwd" },
  ];
  const environment = environmentOf(process);
  const into = input.forks ? forkOps(process, at) : [];
  // A scheduling policy may not outlive a fork, or forbid it (sched(7), "reset-on-fork" and SCHED_DEADLINE), and takes
  // rights that the child must not have.
  const ofChild = input.forks ? schedulingOps(process, at).filter(({ op }) => op === "scheduler") : [];
  const scheduling = schedulingOps(process, at).filter(({ op }) => !input.forks || op !== "scheduler");
  const forksFirst = early;
  const prepare: Op[] = [
    { op: "closeFds", keep: input.keepFds },
    ...labelOps(input),
    ...(environment.some((v) => v.startsWith("HOME=")) ? [] : [{ op: "home", uid } as const]),
    { op: "umask", mask: process.user.umask ?? 0o022, at: `${at}/user/umask` },
    { op: "chdir", path: process.cwd, create: input.createCwd, late: false, at: cwdAt, what: "cwd" },
    { op: "stdio", uid, pipes: input.foreground, at: `${at}/user` },
    ...(forksFirst ? [] : scheduling),
    ...(process.noNewPrivileges === true ? [{ op: "noNewPrivileges", at: `${at}/noNewPrivileges` } as const] : []),
    ...(forksFirst
      ? [...into, ...scheduling, ...limits.early, ...(early ? input.seccomp : []), ...identity]
      : [...identity, ...into, ...limits.early]),
    { op: "lookup", candidates: candidates(process), at: `${at}/args/0`, what: args[0] ?? "" },
    ...(process.noNewPrivileges === true && !late ? input.seccomp : []),
  ];
  const finish: Op[] = [
    ...limits.late,
    ...(late ? input.seccomp : []),
    {
      op: "exec",
      argv: args,
      env: [...environment.map(literal), ...input.extraEnv],
      at: `${at}/args`,
      what: args[0] ?? "",
    },
  ];
  return { launcher: limits.raise, ofChild, prepare, finish };
}

/** Into the container's pid namespace, as late as can be: see the op fork. A session is a matter of the child. */
function forkOps(process: Process, at: string): Op[] {
  const ops: Op[] = [{ op: "fork", stays: true, what: "exec" }, { op: "setsid" }];
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

function identityOps(input: ProcessInput): Op[] {
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
  return [
    { op: "boundingSet", mask: bounding, last: facts.lastCap, at: `${at}/capabilities/bounding` },
    { op: "credentials", uid, gid, groups, setGroups, at: `${at}/user`, what: "user" },
    {
      op: "capabilities",
      effective,
      permitted,
      inheritable,
      // The kernel raises no others (capabilities(7)), and runc before 1.2 writes them into its default configuration.
      ambient: set("ambient") & permitted & inheritable,
      at: `${at}/capabilities`,
      what: "capabilities",
    },
  ];
}

const ALL = (1n << 64n) - 1n;

function limitValue(value: Uint64): bigint {
  return BigInt.asUintN(64, BigInt(value)) & ALL;
}

/**
 * The launcher raises hard limits where they are too low, which needs the host's CAP_SYS_RESOURCE; init sets the rest
 * itself. RLIMIT_NOFILE comes last of all, for a small one must not hit init itself (runc#5177).
 */
function rlimitOps({ process, at, facts }: ProcessInput): { raise: Op[]; early: Op[]; late: Op[] } {
  const raise: Op[] = [];
  const early: Op[] = [];
  const late: Op[] = [];
  for (const [i, limit] of (process.rlimits ?? []).entries()) {
    const resource = RLIMITS[limit.type];
    if (resource === undefined) continue;
    const [soft, hard] = [limitValue(limit.soft), limitValue(limit.hard)];
    const place = { at: `${at}/rlimits/${i}`, what: limit.type } as const;
    raise.push({ op: "prlimit", resource, hard, ...place });
    (limit.type === "RLIMIT_NOFILE" ? late : early).push({ op: "rlimit", resource, soft, hard, ...place });
  }
  if (late.length === 0 && facts.nofile !== undefined) {
    late.push({ op: "rlimit", resource: RLIMITS.RLIMIT_NOFILE ?? 7, soft: facts.nofile, hard: KEEP_HARD_LIMIT });
  }
  return { raise, early, late };
}
