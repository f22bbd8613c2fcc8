/** The leak guard: what a test must not leave behind. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import path from "node:path";
import { mountEntries } from "./probe.ts";
import { stateRoot, TAG } from "./workspace.ts";

export interface Snapshot {
  readonly mounts: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
  readonly state: ReadonlySet<string>;
}

/** True on machines where others mount and make cgroups at the same time: only what bears the run's mark counts. */
const SHARED = process.env.CONFORMANCE_SHARED === "1";

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function linkOrEmpty(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

function mounts(): ReadonlySet<string> {
  const lines = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return new Set(SHARED ? lines.filter((line) => line.includes(TAG)) : lines);
}

/** Mount points of all cgroup hierarchies. */
export function cgroupMounts(): readonly {
  readonly target: string;
  readonly type: string;
  readonly controllers: readonly string[];
}[] {
  return mountEntries(readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n"))
    .filter((entry) => entry.type === "cgroup" || entry.type === "cgroup2")
    .map((entry) => ({ target: entry.target, type: entry.type, controllers: entry.superOptions }));
}

function collectDirectories(directory: string, into: Set<string>): void {
  let entries: string[];
  try {
    entries = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return; // gone in the meantime
  }
  for (const name of entries) {
    const child = path.join(directory, name);
    into.add(child);
    collectDirectories(child, into);
  }
}

/** Below a systemd unit others come and go at any time. */
function counts(cgroup: string): boolean {
  return cgroup.includes(TAG) || (!SHARED && !/\.(slice|scope|service|mount|socket)(\/|$)/.test(cgroup));
}

function cgroups(): ReadonlySet<string> {
  const all = new Set<string>();
  for (const { target } of cgroupMounts()) collectDirectories(target, all);
  return new Set([...all].filter(counts));
}

/** Compiled seccomp filters are kept for the next container: no state of any. */
const CACHE = "seccomp~cache";

function state(): ReadonlySet<string> {
  return new Set(readdirSync(stateRoot()).filter((name) => name !== CACHE));
}

/** Remembers how things are. */
export function takeSnapshot(): Snapshot {
  return { mounts: mounts(), cgroups: cgroups(), state: state() };
}

export interface ProcessInfo {
  readonly pid: number;
  readonly name: string;
}

function describe(pid: number): string {
  const command = readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return `${pid} (${command || readOrEmpty(`/proc/${pid}/comm`).trim()})`;
}

function belongsToRun(pid: number): boolean {
  return (
    readOrEmpty(`/proc/${pid}/environ`).includes(TAG) ||
    readOrEmpty(`/proc/${pid}/cmdline`).includes(TAG) ||
    readOrEmpty(`/proc/${pid}/cgroup`).includes(TAG) ||
    linkOrEmpty(`/proc/${pid}/exe`).includes(TAG)
  );
}

/** Living processes that this run has brought about: its descendants and whoever bears its mark. */
export function processesOfRun(): readonly ProcessInfo[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readOrEmpty(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || fields[0] === "Z" || fields[0] === "X") continue;
    parents.set(Number(name), Number(fields[1]));
  }
  const isDescendant = (pid: number): boolean => {
    for (let p = parents.get(pid); p !== undefined && p > 1; p = parents.get(p)) if (p === process.pid) return true;
    return false;
  };
  return [...parents.keys()]
    .filter((pid) => pid !== process.pid && (isDescendant(pid) || belongsToRun(pid)))
    .map((pid) => ({ pid, name: describe(pid) }));
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
  ];
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
