/** What an engine that has been stopped must not have left: everything made by a run bears its mark. */
import { readdirSync, rmdirSync } from "node:fs";
import path from "node:path";
import {
  bearsMark,
  describeProcess,
  directoriesBelow,
  livingProcesses,
  mountLines,
  readOrEmpty,
} from "../../../conformance/lib/proc.ts";
import { sleep } from "./run.ts";
import { TAG } from "./workspace.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";

/** Names in a directory; none when it does not exist. */
export function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** All cgroups, in whatever hierarchy, that are or stand below the run's own, parents first. */
export function cgroupsOfRun(): readonly string[] {
  return directoriesBelow(CGROUP_ROOT).filter((directory) => directory.includes(TAG));
}

/** Living processes that bear the run's mark, other than this one and those named. */
export function processesOfRun(except: ReadonlySet<number> = new Set()): readonly number[] {
  const living = [...livingProcesses().keys()].filter((pid) => pid !== process.pid && !except.has(pid));
  return living.filter((pid) => bearsMark(pid, TAG));
}

/** Pids of all processes whose cgroup is one of the run's: those in containers. */
export function processesInContainers(): readonly number[] {
  return processesOfRun().filter((pid) => readOrEmpty(`/proc/${pid}/cgroup`).includes(TAG));
}

function mountsOfRun(): readonly string[] {
  return mountLines().filter((line) => line.includes(TAG));
}

/** Waits until nothing is left of what `look` sees, a moment at most. */
async function settled(look: () => readonly string[]): Promise<readonly string[]> {
  let left = look();
  for (let tries = 0; left.length > 0 && tries < 60; tries++) {
    await sleep(50);
    left = look();
  }
  return left;
}

/** Containers the runtime still knows of. */
function stateIn(root: string): readonly string[] {
  return names(root).map((name) => `state: ${path.join(root, name)}`);
}

/** What containers have left while their engine still runs: `stateRoots` are the runtime's, `parents` cgroups of the engine's. */
export async function leftByContainers(
  stateRoots: readonly string[],
  isParent: (cgroup: string) => boolean,
): Promise<readonly string[]> {
  return await settled(() => [
    ...stateRoots.flatMap((root) => stateIn(root)),
    ...cgroupsOfRun()
      .filter((cgroup) => !isParent(cgroup))
      .map((cgroup) => `cgroup: ${cgroup}`),
    ...processesInContainers().map((pid) => `process: ${describeProcess(pid)}`),
  ]);
}

/** What is left after an engine has been stopped. */
export async function leftByEngine(): Promise<readonly string[]> {
  return await settled(() => [
    ...processesOfRun().map((pid) => `process: ${describeProcess(pid)}`),
    ...mountsOfRun().map((line) => `mount: ${line}`),
  ]);
}

/** Ends what bears the mark, so that the next file starts clean. */
export function killProcessesOfRun(): void {
  for (const pid of processesOfRun()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone in the meantime
    }
  }
}

/** Removes the (empty) cgroups that engines make as parents and never take away; returns those that resist. */
export function removeParentCgroups(): readonly string[] {
  for (const cgroup of [...cgroupsOfRun()].reverse()) {
    try {
      rmdirSync(cgroup);
    } catch {
      // reported below
    }
  }
  return cgroupsOfRun();
}
