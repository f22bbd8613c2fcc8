import { HOST, type HostFiles } from "./host.ts";

/** One mounted cgroup hierarchy. */
export interface Hierarchy {
  /** v1: `cpu`, `cpuacct`, `name=systemd` …; empty for cgroup2. */
  readonly controllers: readonly string[];
  readonly mount: string;
  /** Which cgroup of the hierarchy is mounted there: field 4 of mountinfo. */
  readonly root: string;
  /** The cgroup this process is in, as /proc/self/cgroup tells it. */
  readonly own: string;
  /** The cpuset hierarchy is mounted with `noprefix`: its files are `cpus`, not `cpuset.cpus`. */
  readonly noPrefix: boolean;
}

/** How cgroups are laid out on this host. */
export interface CgroupFacts {
  readonly mode: "v1" | "v2" | "hybrid" | "none";
  readonly v1: readonly Hierarchy[];
  readonly v2: Hierarchy | undefined;
  readonly host: HostFiles;
}

interface CgroupMount {
  readonly mount: string;
  readonly root: string;
  readonly version: 1 | 2;
  readonly options: readonly string[];
}

const MOUNT_POINT = "/sys/fs/cgroup";

/**
 * Reads the layout: on pure v2 one statfs and /proc/self/cgroup, else /proc/self/mountinfo too
 * (proc_pid_mountinfo(5), cgroups(7)).
 */
export function readCgroupFacts(host: HostFiles = HOST): CgroupFacts {
  const own = parseOwnCgroups(host.read("/proc/self/cgroup") ?? "");
  if (host.isCgroup2(MOUNT_POINT)) return { mode: "v2", v1: [], v2: unified(own, host), host };
  const mounts = parseCgroupMounts(host.read("/proc/self/mountinfo") ?? "");
  const v1 = hierarchiesV1(mounts, own);
  const found = pickUnified(mounts);
  const v2 = found && hierarchy(found, [], own.get("") ?? "/");
  if (v1.length === 0) return { mode: v2 === undefined ? "none" : "v2", v1, v2, host };
  return { mode: v2 === undefined ? "v1" : "hybrid", v1, v2, host };
}

/** The controllers that cgroup v2 offers at the mounted root. */
export function unifiedControllers(facts: CgroupFacts): readonly string[] {
  if (facts.v2 === undefined) return [];
  return words(facts.host.read(`${facts.v2.mount}/cgroup.controllers`));
}

/** /proc/self/cgroup by controller; cgroup v2 is the key "". */
export function parseOwnCgroups(text: string): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (first < 0 || second < 0) continue;
    // The kernel appends this when the cgroup was removed while processes were still in it.
    const path = line.endsWith(" (deleted)") ? line.slice(second + 1, -10) : line.slice(second + 1);
    for (const name of line.slice(first + 1, second).split(",")) own.set(name, path);
  }
  return own;
}

/** The cgroup mounts of a mountinfo text, without looking at the other lines: hosts have thousands of mounts. */
export function parseCgroupMounts(text: string): readonly CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (let at = text.indexOf(" - cgroup"); at >= 0; at = text.indexOf(" - cgroup", at + 1)) {
    const lineEnd = text.indexOf("\n", at);
    const left = text.slice(text.lastIndexOf("\n", at) + 1, at).split(" ");
    const right = text.slice(at + 3, lineEnd < 0 ? undefined : lineEnd).split(" ");
    const [root, mount, type, options] = [left[3], left[4], right[0], right[2]];
    if (root === undefined || mount === undefined || (type !== "cgroup" && type !== "cgroup2")) continue;
    mounts.push({
      mount: unescapeOctal(mount),
      root: unescapeOctal(root),
      version: type === "cgroup2" ? 2 : 1,
      options: (options ?? "").split(","),
    });
  }
  return mounts;
}

/** The words of a one-line file such as cgroup.controllers. */
export function words(text: string | undefined): readonly string[] {
  const line = text?.trimEnd();
  return line ? line.split(" ") : [];
}

/** A path of mountinfo. */
export function unescapeOctal(text: string): string {
  return text.includes("\\")
    ? text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text;
}

function hierarchy(found: CgroupMount, controllers: readonly string[], own: string): Hierarchy {
  return { controllers, mount: found.mount, root: found.root, own, noPrefix: found.options.includes("noprefix") };
}

function unified(own: ReadonlyMap<string, string>, host: HostFiles): Hierarchy {
  const path = own.get("") ?? "/";
  const whole: CgroupMount = { mount: MOUNT_POINT, root: "/", version: 2, options: [] };
  if (path === "/" || path.startsWith("/..") || host.exists(MOUNT_POINT + path)) return hierarchy(whole, [], path);
  // Only a part of the hierarchy is mounted (a container in the host's cgroup namespace): mountinfo knows which.
  const mounts = parseCgroupMounts(host.read("/proc/self/mountinfo") ?? "");
  return hierarchy(mounts.findLast((m) => m.version === 2 && m.mount === MOUNT_POINT) ?? whole, [], path);
}

/** A mount on top of another hides it, so the last mount of a mount point counts; else the first found. */
function visible(mounts: readonly CgroupMount[]): readonly CgroupMount[] {
  const byPoint = new Map<string, CgroupMount>();
  for (const mount of mounts) byPoint.set(mount.mount, mount);
  return [...byPoint.values()];
}

function hierarchiesV1(mounts: readonly CgroupMount[], own: ReadonlyMap<string, string>): readonly Hierarchy[] {
  const found: Hierarchy[] = [];
  const seen = new Set<string>();
  const points = visible(mounts.filter((m) => m.version === 1));
  const preferred = points.filter((m) => m.mount.startsWith(`${MOUNT_POINT}/`));
  for (const mount of [...preferred, ...points]) {
    const controllers = mount.options.filter((option) => option !== "" && own.has(option) && !seen.has(option));
    const first = controllers[0];
    if (first === undefined) continue;
    for (const controller of controllers) seen.add(controller);
    found.push(hierarchy(mount, controllers, own.get(first) ?? "/"));
  }
  return found;
}

function pickUnified(mounts: readonly CgroupMount[]): CgroupMount | undefined {
  const points = visible(mounts.filter((m) => m.version === 2));
  return points.find((m) => m.mount === `${MOUNT_POINT}/unified`) ?? points[0];
}
