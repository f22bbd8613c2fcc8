/**
 * The leak guard: what a test must not leave behind. What others make on the machine at the same time is not counted,
 * and never removed: see apart.ts for how the run's own is told from it.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { bearsLimit, OWN_MOUNT_NAMESPACE, STRICT } from "./apart.ts";
import { isTsrunc } from "./host.ts";
import { mountEntries } from "./probe.ts";
import { bearsMark, describeProcess, directoriesBelow, livingProcesses, mountLines, readOrEmpty } from "./proc.ts";
import { stateRoot, TAG } from "./workspace.ts";

export interface Snapshot {
  readonly mounts: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
  readonly state: ReadonlySet<string>;
  readonly devices: ReadonlySet<string>;
  readonly nullDevice: Permissions;
}

interface Permissions {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

const NULL_DEVICE = "/dev/null";

function nullDevice(): Permissions {
  const { uid, gid, mode } = statSync(NULL_DEVICE);
  return { uid, gid, mode: mode & 0o7777 };
}

/** Whether the run may take /dev/null for its own. */
const OWN_NULL_DEVICE = STRICT || OWN_MOUNT_NAMESPACE;

/** Containers' standard streams are often the host's /dev/null, and some runtimes (crun) give it to the container's user. */
export function restoreNullDevice({ nullDevice: { uid, gid, mode } }: Snapshot): void {
  if (!OWN_NULL_DEVICE) return;
  const now = nullDevice();
  if (now.uid !== uid || now.gid !== gid) chownSync(NULL_DEVICE, uid, gid);
  if (now.mode !== mode) chmodSync(NULL_DEVICE, mode);
}

function describeNullDevice({ uid, gid, mode }: Permissions): string {
  return `${NULL_DEVICE} of ${uid}:${gid}, mode ${mode.toString(8)}`;
}

/**
 * Lines of mountinfo. The options of the file system, at the end, are left out unless the machine is the run's alone:
 * whoever has the same one mounted can change them.
 */
function mounts(): ReadonlySet<string> {
  const lines = mountLines();
  if (STRICT) return new Set(lines);
  return new Set(
    lines
      .filter((line) => OWN_MOUNT_NAMESPACE || line.includes(TAG))
      .map((line) => line.split(" ").slice(0, -1).join(" ")),
  );
}

function mountPoint(line: string): string {
  return (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Mounts that are no more as they were. Where somebody else removes a mount point, the kernel takes the mount away with it. */
function lost(before: ReadonlySet<string>, now: ReadonlySet<string>): readonly string[] {
  return [...before].filter((line) => !now.has(line) && (STRICT || existsSync(mountPoint(line))));
}

/** Mount points of all cgroup hierarchies. */
export function cgroupMounts(): readonly {
  readonly target: string;
  readonly type: string;
  readonly controllers: readonly string[];
}[] {
  return mountEntries(mountLines())
    .filter((entry) => entry.type === "cgroup" || entry.type === "cgroup2")
    .map((entry) => ({ target: entry.target, type: entry.type, controllers: entry.superOptions }));
}

/** Below a systemd unit others come and go at any time. */
function counts(cgroup: string): boolean {
  return cgroup.includes(TAG) || (STRICT && !/\.(slice|scope|service|mount|socket)(\/|$)/.test(cgroup));
}

function cgroups(): ReadonlySet<string> {
  return new Set(cgroupMounts().flatMap(({ target }) => directoriesBelow(target).filter(counts)));
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Where runtimes keep state that are not given `--root`. */
const DEFAULT_ROOTS = ["/run/tsrunc", "/run/runc", "/run/crun"];

function state(): ReadonlySet<string> {
  const elsewhere = DEFAULT_ROOTS.flatMap((root) =>
    namesIn(root)
      .filter((name) => STRICT || name.includes(TAG))
      .map((name) => path.join(root, name)),
  );
  const own = namesIn(stateRoot()).map((name) => path.join(stateRoot(), name));
  return new Set([...own, ...elsewhere]);
}

/** Names of the network devices. Not from sysfs, which shows those of whoever mounted it. */
function devices(): ReadonlySet<string> {
  const names = readOrEmpty("/proc/self/net/dev").match(/^ *[^ :|]+(?=:)/gm) ?? [];
  return new Set(names.map((name) => name.trim()).filter((name) => STRICT || name.includes(TAG)));
}

/** Remembers how things are. */
export function takeSnapshot(): Snapshot {
  return { mounts: mounts(), cgroups: cgroups(), state: state(), devices: devices(), nullDevice: nullDevice() };
}

export interface ProcessInfo {
  readonly pid: number;
  readonly name: string;
}

/** Living processes that this run has brought about: its descendants and whoever bears its mark. */
export function processesOfRun(): readonly ProcessInfo[] {
  const parents = livingProcesses();
  const isDescendant = (pid: number): boolean => {
    for (let p = parents.get(pid); p !== undefined && p > 1; p = parents.get(p)) if (p === process.pid) return true;
    return false;
  };
  return [...parents.keys()]
    .filter((pid) => pid !== process.pid && (isDescendant(pid) || bearsLimit(pid) || bearsMark(pid, TAG)))
    .map((pid) => ({ pid, name: describeProcess(pid) }));
}

function added(kind: string, before: ReadonlySet<string>, now: ReadonlySet<string>): string[] {
  return [...now].filter((item) => !before.has(item)).map((item) => `${kind}: ${item}`);
}

/** Everything there is now that was not there at `before`. Processes that are just ending get a moment. */
export async function findLeaks(before: Snapshot): Promise<readonly string[]> {
  let processes = processesOfRun();
  for (let tries = 0; processes.length > 0 && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    processes = processesOfRun();
  }
  const now = takeSnapshot();
  return [
    ...processes.map(({ name }) => `process: ${name}`),
    ...added("mount", before.mounts, now.mounts),
    ...lost(before.mounts, now.mounts).map((line) => `mount changed or gone: ${line}`),
    ...added("cgroup", before.cgroups, now.cgroups),
    ...added("state", before.state, now.state),
    ...added("network device", before.devices, now.devices),
    // What another runtime does here has a test of its own.
    ...(OWN_NULL_DEVICE && isTsrunc() ? added("device", described(before), described(now)) : []),
  ];
}

function described({ nullDevice }: Snapshot): ReadonlySet<string> {
  return new Set([describeNullDevice(nullDevice)]);
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // best effort: the leak has been reported already
  }
}

/**
 * Removes what {@link findLeaks} has found, so that the next test starts clean: only what bears the run's mark, for
 * anything else may be another's.
 */
export async function removeLeaks(before: Snapshot): Promise<void> {
  for (const { pid } of processesOfRun()) quietly(() => process.kill(pid, "SIGKILL"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const left = (items: ReadonlySet<string>, then: ReadonlySet<string>): string[] =>
    [...items].filter((item) => !then.has(item)).reverse();
  const marked = (item: string): boolean => item.includes(TAG);
  const mountId = (line: string): string => line.slice(0, line.indexOf(" "));
  const known = new Set([...before.mounts].map(mountId));
  const newMounts = left(mounts(), before.mounts).filter((line) => !known.has(mountId(line)));
  for (const line of newMounts.filter((line) => OWN_MOUNT_NAMESPACE || marked(line)))
    spawnSync("umount", ["-l", mountPoint(line)]);
  for (const group of left(cgroups(), before.cgroups).filter(marked)) quietly(() => rmdirSync(group));
  for (const file of left(state(), before.state).filter(marked)) quietly(() => rmSync(file, { recursive: true }));
  // By its name it may be somebody else's only where the machine is the run's alone.
  if (!STRICT) for (const name of left(devices(), before.devices)) spawnSync("ip", ["link", "delete", name]);
}
