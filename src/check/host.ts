/** What of a configuration this host cannot do, or not as it is meant; nothing is changed on it. */
import * as fs from "node:fs";
import { unifiedControllers } from "../cgroups/facts.ts";
import type { HostFacts } from "../program/input.ts";
import { sysctlParts } from "../spec/check-sysctl.ts";
import { isBindMount } from "../spec/mount-words.ts";
import { hostPath } from "../spec/paths.ts";
import { pointer } from "../spec/pointer.ts";
import type { Mount, Spec } from "../spec/types.ts";
import { ownNamespace } from "../spec/validate.ts";
import type { Findings } from "./finding.ts";

export interface CheckInput {
  readonly spec: Spec;
  /** Absolute. */
  readonly bundle: string;
  readonly facts: HostFacts;
  readonly found: Findings;
}

function readOrEmpty(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

export function checkNamespacesOfHost({ spec, facts, found }: CheckInput): void {
  for (const [i, { type, path = "" }] of (spec.linux?.namespaces ?? []).entries()) {
    const at = `/linux/namespaces/${i}`;
    if (!fs.existsSync(ownNamespace(type))) found.error(at, `this kernel has no ${type} namespaces`);
    else if (path !== "" && !fs.existsSync(hostPath(path)))
      found.error(`${at}/path`, `namespace \`${path}\` does not exist (ENOENT)`);
    else if (type === "user" && path === "") checkUserNamespaces(at, facts, found);
  }
}

function checkUserNamespaces(at: string, facts: HostFacts, found: Findings): void {
  if (readOrEmpty("/proc/sys/user/max_user_namespaces").trim() === "0")
    found.error(at, "user namespaces are switched off on this host", "sysctl user.max_user_namespaces=15000");
  if (facts.euid === 0) return;
  if (readOrEmpty("/proc/sys/kernel/unprivileged_userns_clone").trim() === "0")
    found.error(at, "only root may make user namespaces here", "sysctl kernel.unprivileged_userns_clone=1");
  if (readOrEmpty("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() === "1")
    found.warning(
      at,
      "apparmor restricts user namespaces of programs without a profile of their own",
      "give tsrunc an apparmor profile with `userns,`, or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    );
}

/** Controllers of cgroup v1 by the field that needs them; v2 has `io` for `blkio`, and none for network and devices. */
const CONTROLLERS: readonly (readonly [pointer: string, v1: string, v2: string | undefined])[] = [
  ["memory", "memory", "memory"],
  ["pids", "pids", "pids"],
  ["blockIO", "blkio", "io"],
  ["hugepageLimits", "hugetlb", "hugetlb"],
  ["rdma", "rdma", "rdma"],
  ["network/classID", "net_cls", undefined],
  ["network/priorities", "net_prio", undefined],
  ["cpu/shares", "cpu", "cpu"],
  ["cpu/quota", "cpu", "cpu"],
  ["cpu/period", "cpu", "cpu"],
  ["cpu/burst", "cpu", "cpu"],
  ["cpu/idle", "cpu", "cpu"],
  ["cpu/cpus", "cpuset", "cpuset"],
  ["cpu/mems", "cpuset", "cpuset"],
];

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return false;
  return typeof value !== "object" || Object.values(value).some(isSet);
}

export function checkControllers({ spec, facts, found }: CheckInput): void {
  const { cgroup } = facts;
  const unified = cgroup.mode === "v2";
  const available = unified ? unifiedControllers(cgroup) : cgroup.v1.flatMap(({ controllers }) => controllers);
  const resources = (spec.linux?.resources ?? {}) as Readonly<Record<string, unknown>>;
  for (const [pointer, v1, v2] of CONTROLLERS) {
    const value = pointer
      .split("/")
      .reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], resources);
    if (!isSet(value)) continue;
    const controller = unified ? v2 : v1;
    const at = `/linux/resources/${pointer}`;
    if (controller === undefined) found.warning(at, `cgroup v2 has no controller \`${v1}\`: it has no effect`);
    else if (!available.includes(controller))
      found.error(
        at,
        `this host has no cgroup controller \`${controller}\``,
        "remove the limit, or enable the controller",
      );
  }
}

export function checkMountsOfHost({ spec, bundle, found }: CheckInput): void {
  const known = readOrEmpty("/proc/filesystems")
    .split("\n")
    .map((line) => line.split("\t")[1] ?? "");
  for (const [i, mount] of (spec.mounts ?? []).entries()) {
    const at = `/mounts/${i}`;
    if (isBindMount(mount)) checkSource(mount, at, bundle, found);
    else checkFileSystem(mount, at, known, found);
  }
}

function checkSource({ source = "" }: Mount, at: string, bundle: string, found: Findings): void {
  const path = source.startsWith("/") ? hostPath(source) : `${bundle}/${source}`;
  if (source === "" || fs.existsSync(path)) return;
  found.error(`${at}/source`, `source \`${source}\` does not exist (ENOENT)`);
}

function checkFileSystem({ type = "" }: Mount, at: string, known: readonly string[], found: Findings): void {
  if (type === "" || type === "cgroup" || known.includes(type)) return;
  found.warning(`${at}/type`, `file system \`${type}\` is not loaded on this host`, `modprobe ${type}`);
}

export function checkLabels({ spec, facts, found }: CheckInput): void {
  const { apparmorProfile = "", selinuxLabel = "" } = spec.process ?? {};
  if (apparmorProfile !== "" && facts.lsm.includes("apparmor")) {
    const profiles = readOrEmpty("/sys/kernel/security/apparmor/profiles");
    const loaded = profiles.split("\n").some((line) => line.slice(0, line.lastIndexOf(" (")) === apparmorProfile);
    if (profiles !== "" && apparmorProfile !== "unconfined" && !loaded)
      found.error(
        "/process/apparmorProfile",
        `apparmor profile \`${apparmorProfile}\` is not loaded`,
        "apparmor_parser -r FILE",
      );
  }
  if (apparmorProfile !== "" && !facts.lsm.includes("apparmor"))
    found.error("/process/apparmorProfile", "apparmor is not enabled on this host");
  if (selinuxLabel !== "" && !facts.lsm.includes("selinux"))
    found.error("/process/selinuxLabel", "selinux is not enabled on this host");
  if ((spec.linux?.mountLabel ?? "") !== "" && !facts.lsm.includes("selinux"))
    found.error("/linux/mountLabel", "selinux is not enabled on this host");
}

export function checkDevicesOfHost({ spec, found }: CheckInput): void {
  const [characters = "", blocks = ""] = readOrEmpty("/proc/devices").split("Block devices:");
  for (const [i, { type, major }] of (spec.linux?.devices ?? []).entries()) {
    if (type === "p" || major === undefined) continue;
    const drivers = type === "b" ? blocks : characters;
    if (drivers !== "" && !new RegExp(`^ *${major} `, "m").test(drivers))
      found.warning(
        `/linux/devices/${i}/major`,
        `this kernel has no driver for ${type} devices with major number ${major}`,
      );
  }
}

export function checkNetDevicesOfHost({ spec, found }: CheckInput): void {
  for (const name of Object.keys(spec.linux?.netDevices ?? {})) {
    if (fs.existsSync(`/sys/class/net/${name}`)) continue;
    found.error(pointer("linux", "netDevices", name), `this host has no network device \`${name}\``);
  }
}

export function checkHookFiles({ spec, found }: CheckInput): void {
  for (const [kind, hooks] of Object.entries(spec.hooks ?? {})) {
    if (kind === "startContainer") continue; // its path is one of the container
    for (const [i, { path }] of hooks.entries()) {
      const at = `/hooks/${kind}/${i}/path`;
      if (!fs.existsSync(path)) found.error(at, `hook \`${path}\` does not exist (ENOENT)`);
      else if (!isExecutable(path)) found.error(at, `hook \`${path}\` cannot be executed (EACCES)`, `chmod +x ${path}`);
    }
  }
}

function isExecutable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.X_OK);
    return fs.statSync(path).isFile();
  } catch {
    return false;
  }
}

export function checkSysctlFiles({ spec, found }: CheckInput): void {
  for (const name of Object.keys(spec.linux?.sysctl ?? {})) {
    const path = sysctlParts(name).join("/");
    // Values of network devices come with the devices.
    if (/^net\/.*\/conf\/(?!all\/|default\/)/.test(path) || fs.existsSync(`/proc/sys/${path}`)) continue;
    found.error(pointer("linux", "sysctl", name), `this kernel has no sysctl \`${name}\``);
  }
}

const RLIMIT_LINES: Readonly<Record<string, string>> = {
  ...{ RLIMIT_CPU: "Max cpu time", RLIMIT_FSIZE: "Max file size", RLIMIT_DATA: "Max data size" },
  ...{ RLIMIT_STACK: "Max stack size", RLIMIT_CORE: "Max core file size", RLIMIT_RSS: "Max resident set" },
  ...{ RLIMIT_NPROC: "Max processes", RLIMIT_NOFILE: "Max open files", RLIMIT_MEMLOCK: "Max locked memory" },
  ...{ RLIMIT_AS: "Max address space", RLIMIT_LOCKS: "Max file locks", RLIMIT_SIGPENDING: "Max pending signals" },
  ...{ RLIMIT_MSGQUEUE: "Max msgqueue size", RLIMIT_NICE: "Max nice priority", RLIMIT_RTPRIO: "Max realtime priority" },
  RLIMIT_RTTIME: "Max realtime timeout",
};
const CAP_SYS_RESOURCE = 24n;

/** Hard limits can only be raised with CAP_SYS_RESOURCE (setrlimit(2)). */
export function checkRlimitsOfHost({ spec, facts, found }: CheckInput): void {
  const limits = readOrEmpty("/proc/self/limits");
  const mostFiles = BigInt(readOrEmpty("/proc/sys/fs/nr_open").trim() || "1048576");
  const privileged = facts.euid === 0 && ((facts.boundingSet >> CAP_SYS_RESOURCE) & 1n) === 1n;
  for (const [i, { type, hard }] of (spec.process?.rlimits ?? []).entries()) {
    const at = `/process/rlimits/${i}/hard`;
    const wanted = BigInt(hard);
    if (type === "RLIMIT_NOFILE" && wanted > mostFiles)
      found.error(at, `${hard} is above the kernel's most, ${mostFiles}`, `sysctl fs.nr_open=${hard}`);
    const own = new RegExp(`^${RLIMIT_LINES[type]} +\\S+ +(\\S+)`, "m").exec(limits)?.[1];
    if (privileged || own === undefined || own === "unlimited" || wanted <= BigInt(own)) continue;
    found.error(at, `${hard} is above the hard limit of the runtime, ${own}, which may not raise it`);
  }
}

const KIB = 1024;
/** Least memory in which a container can be made; what runs in it needs more. */
const LEAST_MEMORY = 192 * KIB;
const LITTLE_MEMORY = 4 * KIB * KIB;

export function checkSizes({ spec, found }: CheckInput): void {
  const { memory, pids } = spec.linux?.resources ?? {};
  const limit = Number(memory?.limit ?? -1);
  if (limit > 0 && limit < LEAST_MEMORY)
    found.error(
      "/linux/resources/memory/limit",
      `a container cannot be started in ${limit} bytes of memory`,
      `at least ${LEAST_MEMORY}`,
    );
  else if (limit > 0 && limit < LITTLE_MEMORY)
    found.warning(
      "/linux/resources/memory/limit",
      `${limit} bytes of memory are enough for the smallest programs only`,
    );
  const most = Number(pids?.limit ?? -1);
  if (most === 0 || most === 1)
    found.warning("/linux/resources/pids/limit", "the program will not be able to start any other, nor threads");
}

export function checkRights({ spec, facts, found }: CheckInput): void {
  if (facts.euid === 0) return;
  const hasUserNamespace = spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false;
  if (!hasUserNamespace)
    found.error(
      "/linux/namespaces",
      `uid ${facts.euid} can only make containers in a user namespace`,
      "add one, see `tsrunc spec --rootless`, or be root",
    );
  const mapped = (maps: readonly { size: number }[] = []) => maps.length > 1 || maps.some(({ size }) => size > 1);
  for (const [field, helper] of [
    ["uidMappings", facts.newuidmap],
    ["gidMappings", facts.newgidmap],
  ] as const)
    if (mapped(spec.linux?.[field]) && helper === undefined)
      found.error(
        `/linux/${field}`,
        "more than one id can only be mapped with shadow-utils' helpers",
        "apt-get install uidmap",
      );
}

/** The kernel that a feature came with, and the place that asks for it. */
export function checkKernel({ spec, found }: CheckInput, release: string): void {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const older = (wanted: readonly [number, number]) => major < wanted[0] || (major === wanted[0] && minor < wanted[1]);
  if (older([5, 10])) found.error("", `Linux ${release} is too old`, "5.10 is the oldest that tsrunc runs on");
  for (const [i, mount] of (spec.mounts ?? []).entries())
    if ((mount.uidMappings ?? []).length > 0 && older([5, 12]))
      found.error(`/mounts/${i}/uidMappings`, "mounts can be mapped since Linux 5.12");
}
