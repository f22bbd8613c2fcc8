/** The leak guard: what a test must not leave behind. */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { isTsrunc } from "./host.ts";
import { mountEntries } from "./probe.ts";
import { bearsMark, describeProcess, directoriesBelow, livingProcesses, mountLines } from "./proc.ts";
import { stateRoot, TAG } from "./workspace.ts";

export interface Snapshot {
  readonly mounts: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
  readonly state: ReadonlySet<string>;
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

/** Containers' standard streams are often the host's /dev/null, and some runtimes (crun) give it to the container's user. */
export function restoreNullDevice({ nullDevice: { uid, gid, mode } }: Snapshot): void {
  const now = nullDevice();
  if (now.uid !== uid || now.gid !== gid) chownSync(NULL_DEVICE, uid, gid);
  if (now.mode !== mode) chmodSync(NULL_DEVICE, mode);
}

function describeNullDevice({ uid, gid, mode }: Permissions): string {
  return `${NULL_DEVICE} of ${uid}:${gid}, mode ${mode.toString(8)}`;
}

/** True on machines where others mount and make cgroups at the same time: only what bears the run's mark counts. */
const SHARED = process.env.CONFORMANCE_SHARED === "1";

function mounts(): ReadonlySet<string> {
  const lines = mountLines();
  return new Set(SHARED ? lines.filter((line) => line.includes(TAG)) : lines);
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
  return cgroup.includes(TAG) || (!SHARED && !/\.(slice|scope|service|mount|socket)(\/|$)/.test(cgroup));
}

function cgroups(): ReadonlySet<string> {
  return new Set(cgroupMounts().flatMap(({ target }) => directoriesBelow(target).filter(counts)));
}

/** Compiled seccomp filters are kept for the next container: no state of any. */
const CACHE = "seccomp~cache";

function state(): ReadonlySet<string> {
  return new Set(readdirSync(stateRoot()).filter((name) => name !== CACHE));
}

/** Remembers how things are. */
export function takeSnapshot(): Snapshot {
  return { mounts: mounts(), cgroups: cgroups(), state: state(), nullDevice: nullDevice() };
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
    .filter((pid) => pid !== process.pid && (isDescendant(pid) || bearsMark(pid, TAG)))
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
  const lost = [...before.mounts]
    .filter((line) => !now.mounts.has(line))
    .map((line) => `mount changed or gone: ${line}`);
  return [
    ...processes.map(({ name }) => `process: ${name}`),
    ...added("mount", before.mounts, now.mounts),
    ...lost,
    ...added("cgroup", before.cgroups, now.cgroups),
    ...added("state", before.state, now.state),
    // What another runtime does here has a test of its own.
    ...(isTsrunc() ? added("device", described(before), described(now)) : []),
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
  const ours = (items: ReadonlySet<string>, then: ReadonlySet<string>): string[] =>
    [...items].filter((item) => item.includes(TAG) && !then.has(item)).reverse();
  for (const line of ours(mounts(), before.mounts)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
  for (const group of ours(cgroups(), before.cgroups)) quietly(() => rmdirSync(group));
  for (const name of state())
    if (!before.state.has(name)) quietly(() => rmSync(path.join(stateRoot(), name), { recursive: true }));
}
