/**
 * The data of OCI Runtime Specification 1.3 as TypeScript types. Field names are the specification's own.
 * Values have these types only after they went through load.ts; unknown fields may be present and mean nothing.
 */
import type { CPUAffinity, IDMapping, Linux, LinuxCapabilities, LinuxIOPriority, Scheduler } from "./types-linux.ts";

export type * from "./types-features.ts";
export type * from "./types-linux.ts";
export type * from "./types-resources.ts";
export type * from "./types-seccomp.ts";

/** 0 … 2^64-1. A `bigint` exactly when the value is above 2^53-1, which a `number` cannot hold without loss. */
export type Uint64 = number | bigint;
/** -2^63 … 2^63-1. A `bigint` exactly when the value is beyond ±(2^53-1). */
export type Int64 = number | bigint;

/** The content of config.json (config.md). */
export interface Spec {
  /** SemVer 2.0.0 version of the specification the bundle complies with. */
  readonly ociVersion: string;
  /** The container's root filesystem; required on Linux. */
  readonly root?: Root;
  /** Mounts beyond the root, made in this order. */
  readonly mounts?: readonly Mount[];
  /** What to run; may be absent in `create`, not in `start`. */
  readonly process?: Process;
  /** Needs a UTS namespace. */
  readonly hostname?: string;
  /** NIS domain name; needs a UTS namespace. */
  readonly domainname?: string;
  readonly hooks?: Hooks;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
  /** Settings of other platforms: accepted, checked to be objects, and ignored. */
  readonly solaris?: object;
  readonly windows?: object;
  readonly vm?: object;
  readonly zos?: object;
  readonly freebsd?: object;
}

/** config.md, "Root". */
export interface Root {
  /** Absolute, or relative to the bundle; must be an existing directory. */
  readonly path: string;
  readonly readonly?: boolean;
}

/** config.md, "Mounts". */
export interface Mount {
  /** Path inside the container. A relative one is deprecated and means the same under `/`. */
  readonly destination: string;
  /** Filesystem type of /proc/filesystems; a dummy for bind mounts. */
  readonly type?: string;
  /** Device, dummy name, or for a bind mount a path (relative to the bundle if not absolute). */
  readonly source?: string;
  /** fstab-style options; names that are not known are passed to the filesystem. */
  readonly options?: readonly string[];
  /** Id map of this mount (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12); both or none. */
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
}

/** config.md, "Process"; also the content of the file given to `exec --process`. */
export interface Process {
  /** Allocate a pseudo-terminal and make it the standard streams. */
  readonly terminal?: boolean;
  /** Ignored unless `terminal` is true. */
  readonly consoleSize?: Box;
  readonly user: User;
  /** `args[0]` is looked up as execvp(3) does. At least one entry. */
  readonly args?: readonly string[];
  /** Windows only. */
  readonly commandLine?: string;
  /** `NAME=value` strings. */
  readonly env?: readonly string[];
  /** Absolute path inside the container. */
  readonly cwd: string;
  readonly capabilities?: LinuxCapabilities;
  readonly rlimits?: readonly PosixRlimit[];
  /** PR_SET_NO_NEW_PRIVS. */
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  /** -1000 … 1000, written to /proc/PID/oom_score_adj; absent means "do not touch". */
  readonly oomScoreAdj?: number;
  readonly scheduler?: Scheduler;
  readonly selinuxLabel?: string;
  readonly ioPriority?: LinuxIOPriority;
  /** CPUs of processes started by `exec`; not for the container's first process. */
  readonly execCPUAffinity?: CPUAffinity;
}

/** Size of a terminal in characters. */
export interface Box {
  readonly height: number;
  readonly width: number;
}

/** config.md, "POSIX-platform User". Ids are those inside the container's user namespace. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** As in umask(2): 0 … 0o777 in decimal. Absent: the caller's umask stays. */
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
  /** Windows only. */
  readonly username?: string;
}

/** Names of getrlimit(2). */
export type RlimitType =
  | "RLIMIT_AS"
  | "RLIMIT_CORE"
  | "RLIMIT_CPU"
  | "RLIMIT_DATA"
  | "RLIMIT_FSIZE"
  | "RLIMIT_LOCKS"
  | "RLIMIT_MEMLOCK"
  | "RLIMIT_MSGQUEUE"
  | "RLIMIT_NICE"
  | "RLIMIT_NOFILE"
  | "RLIMIT_NPROC"
  | "RLIMIT_RSS"
  | "RLIMIT_RTPRIO"
  | "RLIMIT_RTTIME"
  | "RLIMIT_SIGPENDING"
  | "RLIMIT_STACK";

/** One resource limit; 18446744073709551615 is RLIM_INFINITY. */
export interface PosixRlimit {
  readonly type: RlimitType;
  readonly hard: Uint64;
  readonly soft: Uint64;
}

/** config.md, "POSIX-platform Hooks": a program run at a point of the container's life, the state JSON on its stdin. */
export interface Hook {
  /** Absolute path, in the runtime's mount namespace (startContainer: in the container's). */
  readonly path: string;
  /** Includes argv[0]. */
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds after which the hook is killed and counts as failed; above 0. */
  readonly timeout?: number;
}

/** Hooks by the point at which they run. */
export interface Hooks {
  /** In `create`, runtime namespace, before pivot_root. Deprecated for `createRuntime`. */
  readonly prestart?: readonly Hook[];
  /** In `create`, runtime namespace, after the `prestart` hooks, before pivot_root. */
  readonly createRuntime?: readonly Hook[];
  /** In `create`, container namespaces, after the `createRuntime` hooks, before pivot_root. */
  readonly createContainer?: readonly Hook[];
  /** In `start`, container namespaces, before the user's program. */
  readonly startContainer?: readonly Hook[];
  /** In `start`, runtime namespace, after the user's program was executed. */
  readonly poststart?: readonly Hook[];
  /** In `delete`, runtime namespace, after the container is gone. */
  readonly poststop?: readonly Hook[];
}

export type HookName = keyof Hooks;

/** `paused` is not in the specification; runc and the engines know it. */
export type ContainerStatus = "creating" | "created" | "running" | "paused" | "stopped";

/** runtime.md, "State": what `state` prints and hooks read. The last three are runc's additions. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: ContainerStatus;
  /** Of the container's process, as the host sees it; 0 or absent when it is stopped. */
  readonly pid?: number;
  /** Absolute path of the bundle. */
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly rootfs?: string;
  /** RFC 3339 time. */
  readonly created?: string;
  /** Name of the user who created the container, or "". */
  readonly owner?: string;
}

/** config-linux.md, "The Container Process State": sent to `seccomp.listenerPath`. */
export interface ContainerProcessState {
  readonly ociVersion: string;
  /** Names of the descriptors sent with it, in order. */
  readonly fds: readonly string[];
  readonly pid: number;
  readonly metadata?: string;
  readonly state: State;
}
