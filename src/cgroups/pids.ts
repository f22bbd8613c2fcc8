import { HOST, type HostFiles } from "./host.ts";
import type { CgroupRecord } from "./types.ts";

/**
 * The pids in a container's cgroup, with `recursive` also in the cgroups below it; empty if it is gone. On v1
 * the devices hierarchy is asked, as runc does: nothing in a container moves a process there. Another one is, where that
 * has been unmounted since.
 */
export function listPids(
  record: CgroupRecord,
  options: { readonly recursive: boolean },
  host: HostFiles = HOST,
): readonly number[] {
  for (const directory of directoriesOf(record)) {
    const pids = pidsBelow(directory, options.recursive, host);
    if (pids !== undefined) return pids;
  }
  return [];
}

/** The directory that stands for the container's cgroup: v2's, or one of v1. */
export function mainDirectory(record: CgroupRecord): string | undefined {
  return directoriesOf(record)[0];
}

/** All of them, the best first. */
function directoriesOf({ version, paths }: CgroupRecord): readonly string[] {
  const best = [version === "v2" ? paths[""] : undefined, paths.devices, paths.pids];
  return [...new Set([...best, ...Object.values(paths)])].filter((directory) => directory !== undefined);
}

/** Undefined where the cgroup cannot be seen. */
function pidsBelow(directory: string, recursive: boolean, host: HostFiles): readonly number[] | undefined {
  const first = pidsIn(directory, host);
  if (first === undefined) return undefined;
  const pids = [...first];
  const pending = recursive ? below(directory, host) : [];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const pid of pidsIn(path, host) ?? []) pids.push(pid);
    pending.push(...below(path, host));
  }
  return pids;
}

function below(path: string, host: HostFiles): string[] {
  return host.directories(path).map((name) => `${path}/${name}`);
}

function pidsIn(path: string, host: HostFiles): readonly number[] | undefined {
  // A threaded cgroup answers EOPNOTSUPP for its processes (cgroups(7)).
  const text = host.read(`${path}/cgroup.procs`) ?? host.read(`${path}/cgroup.threads`);
  return text?.split("\n").flatMap((line) => (line === "" ? [] : [Number(line)]));
}
