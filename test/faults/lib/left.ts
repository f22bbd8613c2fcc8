/** What is left of a container on the host. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DIRECTORY, ROOT, readOrEmpty } from "./bundle.ts";

/** Mount points of all cgroup hierarchies. */
const CGROUP_MOUNTS = readFileSync("/proc/self/mounts", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
  .map(([, target]) => target ?? "");

/** Processes whose command line, environment or cgroup bears the mark: init has wiped the first two. Zombies have none. */
function processes(mark: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
    .filter((pid) => traces(pid).includes(mark))
    .map((pid) => `process ${pid}: ${readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
}

function traces(pid: string): string {
  const name = (file: string) => readOrEmpty(`/proc/${pid}/${file}`);
  return name("stat").includes(") Z ") ? "" : `${name("cmdline")}${name("environ")}${name("cgroup")}`;
}

function cgroups(id: string): string[] {
  return CGROUP_MOUNTS.filter((mount) => readdirSync(mount).includes(id)).map((mount) => `cgroup ${mount}/${id}`);
}

/** A bundle's name is the beginning of the ids of its containers. */
function mounts(id: string): string[] {
  const directory = new RegExp(`${DIRECTORY}/([^/ ]+)`);
  return readOrEmpty("/proc/self/mountinfo")
    .split("\n")
    .filter((line) => line.includes(id) || id.startsWith(directory.exec(line)?.[1] ?? "none"))
    .map((line) => `mount ${line}`);
}

function state(id: string): string[] {
  let names: string[];
  try {
    names = readdirSync(ROOT);
  } catch {
    return [];
  }
  return names
    .filter((name) => name === id)
    .map((name) => `state ${name}: ${readdirSync(path.join(ROOT, name)).join(" ")}`);
}

function now(id: string): string[] {
  return [...processes(id), ...cgroups(id), ...mounts(id), ...state(id)];
}

/** What there is now. */
export function processCount(id: string): number {
  return processes(id).length;
}

/** Empty once all is gone; what is still there after `timeoutMs`. A killed process takes a moment to be gone. */
export async function leftOf(id: string, timeoutMs = 3000): Promise<string[]> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = now(id);
    if (found.length === 0 || Date.now() > end) return found;
    await Bun.sleep(3);
  }
}
