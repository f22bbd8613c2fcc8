/** The part of config.json the tests touch, and the smallest configuration a container of ours starts with. */
import { TAG } from "./workspace.ts";

export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

export type HookKind = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Process {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: Partial<Record<"bounding" | "effective" | "inheritable" | "permitted" | "ambient", string[]>>;
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
  scheduler?: Record<string, unknown>;
  ioPriority?: { class: string; priority: number };
  [other: string]: unknown;
}

export interface Linux {
  namespaces: { type: string; path?: string }[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>;
  devices?: Record<string, unknown>[];
  cgroupsPath?: string;
  resources?: Record<string, unknown>;
  rootfsPropagation?: string;
  seccomp?: Record<string, unknown>;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  personality?: { domain: string; flags?: string[] };
  [other: string]: unknown;
}

export interface Spec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  hooks?: Partial<Record<HookKind, Hook[]>>;
  annotations?: Record<string, string>;
  linux: Linux;
  [other: string]: unknown;
}

/** The capabilities engines give by default. */
export const USUAL_CAPABILITIES: readonly string[] =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** A small, complete configuration: own pid, mount, ipc, uts, network and cgroup namespaces, proc and /dev. */
export function baseSpec(): Spec {
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: ["/bin/probe", "report"],
      env: ["PATH=/bin", `CONFORMANCE=${TAG}`],
      cwd: "/",
      capabilities: {
        bounding: [...USUAL_CAPABILITIES],
        effective: [...USUAL_CAPABILITIES],
        permitted: [...USUAL_CAPABILITIES],
      },
    },
    root: { path: "rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
    ],
    linux: {
      namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type })),
    },
  };
}

/** Mounts that need more than the smallest configuration has. */
export const DEVPTS: Mount = {
  destination: "/dev/pts",
  type: "devpts",
  source: "devpts",
  options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
};
export const SYSFS: Mount = {
  destination: "/sys",
  type: "sysfs",
  source: "sysfs",
  options: ["nosuid", "noexec", "nodev", "ro"],
};

/** Adds capabilities to the bounding, effective and permitted sets. */
export function grant(spec: Spec, ...names: string[]): void {
  spec.process.capabilities ??= {};
  const sets = spec.process.capabilities;
  for (const set of ["bounding", "effective", "permitted"] as const)
    sets[set] = [...new Set([...(sets[set] ?? []), ...names])];
}

/** Removes a namespace: the container stays in the runtime's. */
export function dropNamespace(spec: Spec, type: string): void {
  spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== type);
}

/** Replaces or adds a namespace, joined by `path` when given. */
export function setNamespace(spec: Spec, type: string, path?: string): void {
  dropNamespace(spec, type);
  spec.linux.namespaces.push(path === undefined ? { type } : { type, path });
}

/** A user namespace that maps container ids 0–65535 to 100000 upwards. */
export function useUserNamespace(spec: Spec): void {
  setNamespace(spec, "user");
  spec.linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  spec.linux.gidMappings = [{ containerID: 0, hostID: 200000, size: 65536 }];
}
