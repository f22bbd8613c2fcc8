/** Types of `linux.resources`, which is also what `update --resources` reads. */
import type { Int64, Uint64 } from "./types.ts";

/** Limits of the container's cgroup. An absent field leaves the kernel's default (in `update`: the present value). */
export interface Resources {
  /** Device access rules, applied in this order. */
  readonly devices?: readonly DeviceRule[];
  readonly memory?: MemoryResources;
  readonly cpu?: CpuResources;
  readonly pids?: PidsResources;
  readonly blockIO?: BlockIOResources;
  readonly hugepageLimits?: readonly HugepageLimit[];
  readonly network?: NetworkResources;
  /** By device name. */
  readonly rdma?: Readonly<Record<string, RdmaLimit>>;
  /** Files of cgroup v2 and what to write to them. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** One line of the allowed-device list. */
export interface DeviceRule {
  readonly allow: boolean;
  /** Absent or "": `a`, all. */
  readonly type?: "a" | "c" | "b" | "";
  /** Absent or -1: all. */
  readonly major?: number;
  readonly minor?: number;
  /** Some of `r`, `w`, `m`. */
  readonly access?: string;
}

/** In bytes, -1 for no limit. */
export interface MemoryResources {
  readonly limit?: Int64;
  readonly reservation?: Int64;
  /** Memory and swap together. */
  readonly swap?: Int64;
  readonly kernel?: Int64;
  readonly kernelTCP?: Int64;
  /** 0 … 100. */
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
  readonly useHierarchy?: boolean;
  /** Refuse a new limit below the present usage. */
  readonly checkBeforeUpdate?: boolean;
}

/** Times are in microseconds. */
export interface CpuResources {
  readonly shares?: number;
  /** Zero or below: no limit. */
  readonly quota?: number;
  readonly burst?: number;
  readonly period?: number;
  readonly realtimeRuntime?: number;
  readonly realtimePeriod?: number;
  /** Lists such as `0-3,7`. */
  readonly cpus?: string;
  readonly mems?: string;
  /** 1: SCHED_IDLE for the whole cgroup (Linux 5.15). */
  readonly idle?: number;
}

export interface PidsResources {
  /** -1: no limit. 0 is a limit of its own since runtime-spec 1.3. */
  readonly limit?: number;
}

export interface BlockIOResources {
  readonly weight?: number;
  readonly leafWeight?: number;
  readonly weightDevice?: readonly WeightDevice[];
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
}

export interface WeightDevice {
  readonly major: number;
  readonly minor: number;
  readonly weight?: number;
  readonly leafWeight?: number;
}

export interface ThrottleDevice {
  readonly major: number;
  readonly minor: number;
  /** Bytes, or operations, per second. */
  readonly rate: Uint64;
}

export interface HugepageLimit {
  /** `64KB`, `2MB`, `1GB`. */
  readonly pageSize: string;
  /** Bytes. */
  readonly limit: Uint64;
}

/** Controllers net_cls and net_prio of cgroup v1. */
export interface NetworkResources {
  readonly classID?: number;
  readonly priorities?: readonly InterfacePriority[];
}

export interface InterfacePriority {
  readonly name: string;
  readonly priority: number;
}

export interface RdmaLimit {
  readonly hcaHandles?: number;
  readonly hcaObjects?: number;
}
