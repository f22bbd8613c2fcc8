/** The config.json that `tsrunc spec` writes: what runc's has, in the same order. */
import type { Mount, Namespace, Spec } from "./types.ts";

/** The version of the specification that these types follow. */
export const OCI_VERSION = "1.3.0";

export interface DefaultSpecOptions {
  /** Host with only cgroup v2: a cgroup namespace hides the host's hierarchy, as in runc. Default false. */
  readonly cgroup2?: boolean;
}

/** A container that runs `sh` on a terminal, as root with few capabilities, on a read-only `rootfs`. */
export function defaultSpec(options: DefaultSpecOptions = {}): Spec {
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities(), effective: capabilities(), permitted: capabilities() },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "tsrunc",
    mounts: defaultMounts(),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: defaultNamespaces(options.cgroup2 === true),
      maskedPaths: words(
        "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats " +
          "/proc/sched_debug /sys/firmware /proc/scsi",
      ),
      readonlyPaths: words("/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"),
    },
  };
}

/**
 * The spec made fit for a user without privileges: in a user namespace with one id, on the host's network, with the
 * host's /sys, without limits. `uid` and `gid` are the caller's, which become root inside.
 */
export function rootlessSpec(spec: Spec, uid: number, gid: number): Spec {
  const { resources: _r, uidMappings: _u, gidMappings: _g, namespaces = [], ...rest } = spec.linux ?? {};
  const kept = namespaces.filter(({ type }) => type !== "network" && type !== "user");
  return {
    ...spec,
    mounts: (spec.mounts ?? []).map(rootlessMount),
    linux: {
      uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
      namespaces: [...kept, { type: "user" }],
      ...rest,
    },
  };
}

/** Mounting sysfs needs a network namespace of one's own; ids other than 0 are not mapped. */
function rootlessMount(mount: Mount): Mount {
  if (mount.destination === "/sys") {
    return { destination: "/sys", type: "none", source: "/sys", options: words("rbind nosuid noexec nodev ro") };
  }
  if (mount.options === undefined) return mount;
  return { ...mount, options: mount.options.filter((option) => !/^[ug]id=/.test(option)) };
}

function capabilities(): string[] {
  return words("CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_SERVICE");
}

function defaultMounts(): Mount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    mount("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    mount("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
    mount("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
    mount("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    mount("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
    mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
  ];
}

function mount(destination: string, type: string, source: string, options: string): Mount {
  return { destination, type, source, options: words(options) };
}

function defaultNamespaces(cgroup2: boolean): Namespace[] {
  const namespaces: Namespace[] = [
    { type: "pid" },
    { type: "network" },
    { type: "ipc" },
    { type: "uts" },
    { type: "mount" },
  ];
  return cgroup2 ? [...namespaces, { type: "cgroup" }] : namespaces;
}

function words(text: string): string[] {
  return text.split(" ");
}
