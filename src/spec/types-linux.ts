/** Types of config-linux.md and of the Linux-only parts of `process`. */

import type { Int64, Uint64 } from "./types.ts";
import type { Resources } from "./types-resources.ts";
import type { Seccomp } from "./types-seccomp.ts";

/** The `linux` object of config.json. */
export interface Linux {
  /** Only with a user namespace of the container's own. */
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
  /** Kernel parameters by name, `net.ipv4.ip_forward` or `net/ipv4/ip_forward`; only namespaced ones. */
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly resources?: Resources;
  /** Absolute: under the cgroup mount point. With systemd: `slice:prefix:name`. */
  readonly cgroupsPath?: string;
  /** A type that is not listed is shared with the runtime. */
  readonly namespaces?: readonly Namespace[];
  readonly devices?: readonly Device[];
  /** Network devices to move into the container, by their name on the host. */
  readonly netDevices?: Readonly<Record<string, NetDevice>>;
  readonly seccomp?: Seccomp;
  /** Also the recursive spellings (`rslave`), which engines use. */
  readonly rootfsPropagation?: RootfsPropagation;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** SELinux context of the mounts. */
  readonly mountLabel?: string;
  readonly intelRdt?: IntelRdt;
  readonly memoryPolicy?: MemoryPolicy;
  readonly personality?: Personality;
  /** Offsets of a new time namespace, by clock. */
  readonly timeOffsets?: Readonly<Partial<Record<TimeClock, TimeOffset>>>;
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

/** A namespace to create or, with `path`, to join. */
export interface Namespace {
  readonly type: NamespaceType;
  /** Absolute path of a namespace file on the host. "" counts as absent. */
  readonly path?: string;
}

/** `size` ids from `containerID` on stand for those from `hostID` on (user_namespaces(7)). */
export interface IDMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** Clocks a time namespace can shift (time_namespaces(7)). */
export type TimeClock = "monotonic" | "boottime";

export interface TimeOffset {
  readonly secs?: Int64;
  readonly nanosecs?: number;
}

/** c and u: character, b: block, p: FIFO. */
export type DeviceType = "c" | "b" | "u" | "p";

/** A device node to make in the container. */
export interface Device {
  readonly path: string;
  readonly type: DeviceType;
  /** Required unless `type` is `p`. */
  readonly major?: number;
  readonly minor?: number;
  /** Permission bits, decimal. */
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface NetDevice {
  /** Name inside the container, may end in `%d`; absent: as on the host. */
  readonly name?: string;
}

export type RootfsPropagation =
  | "shared"
  | "slave"
  | "private"
  | "unbindable"
  | "rshared"
  | "rslave"
  | "rprivate"
  | "runbindable";

/** Intel Resource Director Technology through resctrl. */
export interface IntelRdt {
  /** Directory of the class of service under the resctrl mount; `/` is the root class; absent: the container id. */
  readonly closID?: string;
  /** Lines for `schemata`, written after the two below. */
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  /** Make a monitoring group for the container. */
  readonly enableMonitoring?: boolean;
}

export type MemoryPolicyMode =
  | "MPOL_DEFAULT"
  | "MPOL_BIND"
  | "MPOL_INTERLEAVE"
  | "MPOL_WEIGHTED_INTERLEAVE"
  | "MPOL_PREFERRED"
  | "MPOL_PREFERRED_MANY"
  | "MPOL_LOCAL";

export type MemoryPolicyFlag = "MPOL_F_NUMA_BALANCING" | "MPOL_F_RELATIVE_NODES" | "MPOL_F_STATIC_NODES";

/** Arguments of set_mempolicy(2). */
export interface MemoryPolicy {
  readonly mode: MemoryPolicyMode;
  /** List of nodes such as `0-3,7`. */
  readonly nodes?: string;
  readonly flags?: readonly MemoryPolicyFlag[];
}

/** Argument of personality(2). */
export interface Personality {
  readonly domain: "LINUX" | "LINUX32";
  /** The specification defines none yet. */
  readonly flags?: readonly string[];
}

/** Capability sets by name (`CAP_CHOWN`). Absent sets are empty. */
export interface LinuxCapabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export type CapabilitySet = keyof LinuxCapabilities;

export type SchedulerPolicy =
  | "SCHED_OTHER"
  | "SCHED_FIFO"
  | "SCHED_RR"
  | "SCHED_BATCH"
  | "SCHED_ISO"
  | "SCHED_IDLE"
  | "SCHED_DEADLINE";

export type SchedulerFlag =
  | "SCHED_FLAG_RESET_ON_FORK"
  | "SCHED_FLAG_RECLAIM"
  | "SCHED_FLAG_DL_OVERRUN"
  | "SCHED_FLAG_KEEP_POLICY"
  | "SCHED_FLAG_KEEP_PARAMS"
  | "SCHED_FLAG_UTIL_CLAMP_MIN"
  | "SCHED_FLAG_UTIL_CLAMP_MAX";

/** Arguments of sched_setattr(2). */
export interface Scheduler {
  readonly policy: SchedulerPolicy;
  /** -20 … 19, for SCHED_OTHER and SCHED_BATCH. */
  readonly nice?: number;
  /** 1 … 99, for SCHED_FIFO and SCHED_RR. */
  readonly priority?: number;
  readonly flags?: readonly SchedulerFlag[];
  /** Nanoseconds; these three are for SCHED_DEADLINE. */
  readonly runtime?: Uint64;
  readonly deadline?: Uint64;
  readonly period?: Uint64;
}

export type IOPriorityClass = "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";

/** Arguments of ioprio_set(2). */
export interface LinuxIOPriority {
  readonly class: IOPriorityClass;
  /** 0 (highest) … 7. */
  readonly priority: number;
}

/** CPU lists such as `0-3,7`. */
export interface CPUAffinity {
  /** Before the process is in the container's cgroup. */
  readonly initial?: string;
  /** After it; absent or "": left to the kernel. */
  readonly final?: string;
}
