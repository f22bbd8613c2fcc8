/** What this runtime supports, whatever the host does: the Features structure (features.md, features-linux.md). */

import * as os from "node:os";
import { mountOptionNames } from "../program/mount-options.ts";
import { allArches } from "../seccomp/arches.ts";
import { ACTIONS, FLAGS, OPERATORS } from "../seccomp/constants.ts";
import { capabilityNames } from "../spec/capabilities.ts";
import { OCI_VERSION } from "../spec/defaults.ts";
import type { Hooks, MemoryPolicyFlag, MemoryPolicyMode, NamespaceType } from "../spec/types.ts";
import type { Features, SeccompFeatures } from "../spec/types-features.ts";
import { commit, version } from "../version.ts";

export function supportedFeatures(): Features {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: OCI_VERSION,
    hooks: hookNames(),
    mountOptions: mountOptionNames(),
    linux: {
      namespaces: namespaceNames(),
      capabilities: capabilityNames(),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: seccompFeatures(),
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: memoryPolicyFeatures(),
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      "io.github.tsrunc.version": version(),
      "io.github.tsrunc.commit": commit(),
      "org.opencontainers.runc.checkpoint.enabled": "false",
    },
    potentiallyUnsafeConfigAnnotations: ["org.systemd.property.", "run.oci.keep_original_groups"],
  };
}

// Records, so that a name that is added to a type and forgotten here does not compile.

function hookNames(): string[] {
  const names: Record<keyof Hooks, true> = {
    prestart: true,
    createRuntime: true,
    createContainer: true,
    startContainer: true,
    poststart: true,
    poststop: true,
  };
  return Object.keys(names);
}

function namespaceNames(): string[] {
  const names: Record<NamespaceType, true> = {
    cgroup: true,
    ipc: true,
    mount: true,
    network: true,
    pid: true,
    time: true,
    user: true,
    uts: true,
  };
  return Object.keys(names);
}

function memoryPolicyFeatures(): { modes: string[]; flags: string[] } {
  const modes: Record<MemoryPolicyMode, true> = {
    MPOL_DEFAULT: true,
    MPOL_BIND: true,
    MPOL_INTERLEAVE: true,
    MPOL_WEIGHTED_INTERLEAVE: true,
    MPOL_PREFERRED: true,
    MPOL_PREFERRED_MANY: true,
    MPOL_LOCAL: true,
  };
  const flags: Record<MemoryPolicyFlag, true> = {
    MPOL_F_NUMA_BALANCING: true,
    MPOL_F_RELATIVE_NODES: true,
    MPOL_F_STATIC_NODES: true,
  };
  return { modes: Object.keys(modes), flags: Object.keys(flags) };
}

function seccompFeatures(): SeccompFeatures {
  const [major = 0, minor = 0] = os.release().split(".").map(Number);
  const supported = Object.entries(FLAGS).filter(
    ([, flag]) => major > flag.since[0] || (major === flag.since[0] && minor >= flag.since[1]),
  );
  return {
    enabled: true,
    actions: Object.keys(ACTIONS).sort(),
    operators: Object.keys(OPERATORS).sort(),
    archs: [...allArches()].sort(),
    knownFlags: Object.keys(FLAGS),
    supportedFlags: supported.map(([name]) => name),
  };
}
