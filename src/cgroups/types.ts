import type { Op } from "../program/ops.ts";
import type { Resources } from "../spec/types.ts";
import type { UnitRecord } from "./systemd/calls.ts";

export type CgroupManager = "cgroupfs" | "systemd" | "disabled";

/** What a plan is made from. */
export interface CgroupInput {
  readonly id: string;
  /** `linux.cgroupsPath`. */
  readonly cgroupsPath?: string | undefined;
  /** `linux.resources`. */
  readonly resources?: Resources | undefined;
  /** `linux.devices`: a node that replaces a default device replaces its access rule too. */
  readonly devices?: readonly DeviceNode[] | undefined;
  readonly manager: CgroupManager;
  /** The runtime has no power over the host's cgroups: what was not asked for may fail. */
  readonly rootless: boolean;
  /** Set no device rules; by default as `rootless`. Needed in a user namespace, where bpf(2) and devices.deny are refused. */
  readonly skipDevices?: boolean | undefined;
  /** Host uid that is to own the cgroup on v2 (config-linux.md, "Cgroup ownership"). */
  readonly ownerUid?: number | undefined;
  /** The container's; with systemd, `org.systemd.property.*` become properties of its unit. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface DeviceNode {
  readonly path: string;
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
}

/** What `state.json` keeps: all that later verbs need to find the container's cgroups. */
export interface CgroupRecord {
  readonly version: "v1" | "v2" | "hybrid" | "none";
  readonly manager: CgroupManager;
  /** By controller, as runc names them; cgroup v2 is "". Empty if the container has no cgroup of its own. */
  readonly paths: Readonly<Record<string, string>>;
  /** With systemd: the container's unit. */
  readonly systemd?: UnitRecord;
}

/** A container's cgroups, compiled. */
export interface CgroupPlan {
  /** Before the container's process exists: directories, controllers, limits, device rules. */
  readonly prepare: readonly Op[];
  /** The cgroup v2 directory for CLONE_INTO_CGROUP. */
  readonly into?: string;
  /** Once it exists: what puts it into the v1 hierarchies, from outside. */
  readonly attach: readonly Op[];
  /**
   * The same (and where it cannot be born in its v2 cgroup, that too) from inside, as the first thing that the process does, while it has one thread and the host's mounts.
   * A thread that moves itself needs no lock over all processes (Linux 5.5), so this takes microseconds where
   * `attach` waits for an RCU grace period of several milliseconds.
   */
  readonly enter: readonly Op[];
  /** Once the process exists and before it goes on: what has systemd make a cgroup around it, and then its limits. */
  readonly adopt?: readonly Op[];
  readonly record: CgroupRecord;
  readonly warnings: readonly string[];
}
