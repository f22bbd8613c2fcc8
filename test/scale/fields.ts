/** Every list and every map of config.json, with any number of entries that are right. */
import type { Spec } from "../../conformance/lib/spec.ts";

/** Puts `n` entries into the field. */
export type Fill = (spec: Spec, n: number) => void;

function many<T>(n: number, make: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => make(i));
}

function table<T>(n: number, name: (i: number) => string, value: (i: number) => T): Record<string, T> {
  return Object.fromEntries(many(n, (i) => [name(i), value(i)] as const));
}

/** An object below `spec.linux` that is made where it is missing. */
function part(spec: Spec, ...path: readonly string[]): Record<string, unknown> {
  let at: Record<string, unknown> = spec.linux;
  for (const name of path) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  return at;
}

function hooks(kind: string, hook: (n: number) => object[]): Fill {
  return (spec, n) => {
    spec.hooks = { ...spec.hooks, [kind]: hook(n) };
  };
}

function hookFields(): Record<string, Fill> {
  const kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
  return Object.fromEntries(
    kinds.flatMap((kind) => [
      [`/hooks/${kind}`, hooks(kind, (n) => many(n, () => ({ path: "/bin/true" })))],
      [`/hooks/${kind}/0/args`, hooks(kind, (n) => [{ path: "/bin/true", args: many(n, (i) => `word${i}`) }])],
      [`/hooks/${kind}/0/env`, hooks(kind, (n) => [{ path: "/bin/true", env: many(n, (i) => `NAME${i}=value`) }])],
    ]),
  );
}

function capabilities(set: string): Fill {
  const names = ["CAP_KILL", "CAP_CHOWN", "CAP_FOWNER"];
  return (spec, n) => {
    spec.process.capabilities = { ...spec.process.capabilities, [set]: many(n, (i) => names[i % names.length]!) };
  };
}

function mappings(kind: "uidMappings" | "gidMappings"): Fill {
  return (spec, n) => {
    const list = many(n, (i) => ({ containerID: i * 2, hostID: 100_000 + i * 2, size: 1 }));
    spec.linux.namespaces.push({ type: "user" });
    spec.linux.uidMappings = [{ containerID: 0, hostID: 100_000, size: 1 }];
    spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 1 }];
    spec.linux[kind] = list;
  };
}

function mountMappings(kind: "uidMappings" | "gidMappings"): Fill {
  return (spec, n) => {
    const one = [{ containerID: 0, hostID: 100_000, size: 1 }];
    const mount = { destination: "/mnt", type: "bind", source: "/", options: ["bind", "idmap"] };
    const list = many(n, (i) => ({ containerID: i * 2, hostID: 100_000 + i * 2, size: 1 }));
    spec.mounts.push({ ...mount, uidMappings: one, gidMappings: one, [kind]: list } as never);
  };
}

function throttle(name: string, value: object): Fill {
  return (spec, n) => {
    part(spec, "resources", "blockIO")[name] = many(n, (i) => ({ major: 8, minor: i, ...value }));
  };
}

function seccomp(fill: (n: number) => object): Fill {
  return (spec, n) => {
    spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", ...fill(n) };
  };
}

/** By JSON pointer; `0` stands for any entry of a list. */
export const FIELDS: Readonly<Record<string, Fill>> = {
  "/mounts": (spec, n) => {
    for (let i = 0; i < n; i++) spec.mounts.push({ destination: `/mnt/d${i}`, type: "tmpfs", source: "tmpfs" });
  },
  "/mounts/0/options": (spec, n) => {
    const options = many(n, (i) => ["nosuid", "nodev", "ro", "rw"][i % 4]!);
    spec.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs", options });
  },
  "/mounts/0/uidMappings": mountMappings("uidMappings"),
  "/mounts/0/gidMappings": mountMappings("gidMappings"),
  "/process/user/additionalGids": (spec, n) => {
    spec.process.user.additionalGids = many(n, (i) => i);
  },
  "/process/args": (spec, n) => {
    spec.process.args = many(n, (i) => `word${i}`);
  },
  "/process/env": (spec, n) => {
    spec.process.env = many(n, (i) => `NAME${i}=value`);
  },
  "/process/capabilities/bounding": capabilities("bounding"),
  "/process/capabilities/effective": capabilities("effective"),
  "/process/capabilities/inheritable": capabilities("inheritable"),
  "/process/capabilities/permitted": capabilities("permitted"),
  "/process/capabilities/ambient": capabilities("ambient"),
  "/process/rlimits": (spec, n) => {
    spec.process.rlimits = many(n, () => ({ type: "RLIMIT_NOFILE", soft: 10, hard: 10 }));
  },
  "/process/scheduler/flags": (spec, n) => {
    spec.process.scheduler = { policy: "SCHED_OTHER", flags: many(n, () => "SCHED_FLAG_RESET_ON_FORK") };
  },
  ...hookFields(),
  "/annotations": (spec, n) => {
    spec.annotations = table(
      n,
      (i) => `org.example.${i}`,
      (i) => `value ${i}`,
    );
  },
  "/linux/uidMappings": mappings("uidMappings"),
  "/linux/gidMappings": mappings("gidMappings"),
  "/linux/sysctl": (spec, n) => {
    spec.linux.sysctl = table(
      n,
      (i) => `net.ipv4.conf.lo${i}.forwarding`,
      () => "1",
    );
  },
  "/linux/resources/devices": (spec, n) => {
    part(spec, "resources").devices = many(n, (i) => ({
      allow: i % 3 > 0,
      type: "c",
      major: i,
      minor: i,
      access: "rw",
    }));
  },
  "/linux/resources/blockIO/weightDevice": throttle("weightDevice", { weight: 100 }),
  "/linux/resources/blockIO/throttleReadBpsDevice": throttle("throttleReadBpsDevice", { rate: 1000 }),
  "/linux/resources/blockIO/throttleWriteBpsDevice": throttle("throttleWriteBpsDevice", { rate: 1000 }),
  "/linux/resources/blockIO/throttleReadIOPSDevice": throttle("throttleReadIOPSDevice", { rate: 1000 }),
  "/linux/resources/blockIO/throttleWriteIOPSDevice": throttle("throttleWriteIOPSDevice", { rate: 1000 }),
  "/linux/resources/hugepageLimits": (spec, n) => {
    part(spec, "resources").hugepageLimits = many(n, () => ({ pageSize: "2MB", limit: 4096 }));
  },
  "/linux/resources/network/priorities": (spec, n) => {
    part(spec, "resources", "network").priorities = many(n, () => ({ name: "lo", priority: 1 }));
  },
  "/linux/resources/rdma": (spec, n) => {
    part(spec, "resources").rdma = table(
      n,
      (i) => `mlx${i}`,
      () => ({ hcaHandles: 3 }),
    );
  },
  "/linux/resources/unified": (spec, n) => {
    part(spec, "resources").unified = table(
      n,
      (i) => `memory.file${i}`,
      () => "max",
    );
  },
  "/linux/namespaces": (spec, n) => {
    spec.linux.namespaces = [...spec.linux.namespaces, ...many(n, () => ({ type: "pid" }))];
  },
  "/linux/devices": (spec, n) => {
    spec.linux.devices = many(n, (i) => ({ path: `/dev/node${i}`, type: "c", major: 1, minor: 3 }));
  },
  "/linux/netDevices": (spec, n) => {
    spec.linux.netDevices = table(
      n,
      (i) => `eth${i}`,
      (i) => ({ name: `net${i}` }),
    );
  },
  "/linux/seccomp/architectures": seccomp((n) => ({ architectures: many(n, () => "SCMP_ARCH_X86_64") })),
  "/linux/seccomp/flags": seccomp((n) => ({ flags: many(n, () => "SECCOMP_FILTER_FLAG_LOG") })),
  "/linux/seccomp/syscalls": seccomp((n) => ({
    syscalls: many(n, () => ({ names: ["ioctl", "mkdir"], action: "SCMP_ACT_ERRNO" })),
  })),
  "/linux/seccomp/syscalls/0/names": seccomp((n) => ({
    syscalls: [{ names: many(n, (i) => (i % 2 === 0 ? "ioctl" : `call${i}`)), action: "SCMP_ACT_ERRNO" }],
  })),
  "/linux/seccomp/syscalls/0/args": seccomp((n) => ({
    syscalls: [
      {
        names: ["ioctl"],
        action: "SCMP_ACT_ERRNO",
        args: many(n, (i) => ({ index: 1, op: "SCMP_CMP_EQ", value: i * 3 })),
      },
    ],
  })),
  "/linux/maskedPaths": (spec, n) => {
    spec.linux.maskedPaths = many(n, (i) => `/proc/masked/${i}`);
  },
  "/linux/readonlyPaths": (spec, n) => {
    spec.linux.readonlyPaths = many(n, (i) => `/proc/readonly/${i}`);
  },
  "/linux/intelRdt/schemata": (spec, n) => {
    spec.linux.intelRdt = { schemata: many(n, (i) => `L3:${i}=f`) };
  },
  "/linux/memoryPolicy/flags": (spec, n) => {
    spec.linux.memoryPolicy = {
      mode: "MPOL_BIND",
      nodes: "0",
      flags: many(n, () => "MPOL_F_STATIC_NODES"),
    };
  },
  "/linux/personality/flags": (spec, n) => {
    spec.linux.personality = { domain: "LINUX", flags: many(n, () => "none") };
  },
  "/linux/timeOffsets": (spec, n) => {
    spec.linux.namespaces.push({ type: "time" });
    spec.linux.timeOffsets = table(
      n,
      (i) => `clock${i}`,
      () => ({ secs: 1 }),
    );
  },
};
