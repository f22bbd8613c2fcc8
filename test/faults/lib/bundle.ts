/** A bundle that makes the compiler emit as many kinds of ops as one container can have. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** Mark of this run, part of every id, path and environment. */
export const TAG = `faults${process.pid.toString(36)}`;

/** Below /tmp: its path is short, so that sockets fit in an address. */
export const DIRECTORY = mkdtempSync(`/tmp/${TAG}-`);
chmodSync(DIRECTORY, 0o755);

/** Given as `--root`. */
export const ROOT = path.join(DIRECTORY, "state");

const CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE"];
const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;

export type Json = { [key: string]: Json } | readonly Json[] | string | number | boolean | undefined;
export type Config = { [key: string]: Json };

/** config.json of a container with the given id, that runs a shell's text. */
export function config(id: string, script: string): Config {
  const hook = { path: "/bin/true", env: [`TAG=${id}`] };
  return {
    ociVersion: "1.2.0",
    hostname: "faulty",
    domainname: "example",
    root: { path: "rootfs" },
    process: {
      user: { uid: 0, gid: 0, additionalGids: [5] },
      args: ["/bin/sh", "-c", script],
      env: ["PATH=/bin", `TAG=${id}`],
      cwd: "/work/dir",
      noNewPrivileges: true,
      oomScoreAdj: 100,
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      rlimits: [
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
        { type: "RLIMIT_NOFILE", soft: 256, hard: 512 },
      ],
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 5 },
      scheduler: { policy: "SCHED_BATCH", nice: 3 },
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "ro", "mode=755", "size=65536k"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", "nosuid"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] },
      { destination: "/data", type: "bind", source: path.join(DIRECTORY, "data"), options: ["rbind", "rro"] },
    ],
    hooks: Object.fromEntries(HOOKS.map((name) => [name, [hook]])),
    linux: {
      cgroupsPath: `/${id}`,
      namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type })),
      devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o660, uid: 0, gid: 0 }],
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        memory: { limit: 128 << 20 },
        cpu: { shares: 512, quota: 50_000, period: 100_000 },
        pids: { limit: 64 },
      },
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "80" },
      maskedPaths: ["/proc/kcore", "/sys/firmware"],
      readonlyPaths: ["/proc/sys"],
      rootfsPropagation: "rprivate",
      personality: { domain: "LINUX" },
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["kexec_load"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
      },
    },
  };
}

/** Writes a bundle, in place of an earlier one of that name. */
export function makeBundle(name: string, content: Config): string {
  const bundle = path.join(DIRECTORY, name);
  rmSync(bundle, { recursive: true, force: true });
  mkdirSync(bundle, { recursive: true });
  makeRootfs(path.join(bundle, "rootfs"));
  writeConfig(bundle, content);
  return bundle;
}

export function writeConfig(bundle: string, content: Config): void {
  writeFileSync(path.join(bundle, "config.json"), JSON.stringify(content));
}

function makeRootfs(rootfs: string): void {
  for (const directory of ["bin", "dev", "proc", "sys", "etc", "data"])
    mkdirSync(path.join(rootfs, directory), { recursive: true });
  copyFileSync("/bin/busybox", path.join(rootfs, "bin/busybox"));
  for (const name of ["sh", "sleep", "true", "cat"]) symlinkSync("busybox", path.join(rootfs, "bin", name));
  writeFileSync(path.join(rootfs, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  mkdirSync(path.join(DIRECTORY, "data"), { recursive: true });
}

/** What a file of the bundle's holds; "" when it is not there. */
export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

export function removeAll(): void {
  rmSync(DIRECTORY, { recursive: true, force: true });
}
