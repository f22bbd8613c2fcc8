import { HOST, type HostFiles } from "./host.ts";
import type { CgroupRecord } from "./types.ts";

/**
 * The pids in a container's cgroup, with `recursive` also in the cgroups below it; empty if it is gone. On v1
 * the devices hierarchy is asked, as runc does: nothing in a container moves a process there.
 */
export function listPids(
  record: CgroupRecord,
  options: { readonly recursive: boolean },
  host: HostFiles = HOST,
): readonly number[] {
  const directory = mainDirectory(record);
  if (directory === undefined) return [];
  const pids: number[] = [];
  const pending = [directory];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const pid of pidsIn(path, host)) pids.push(pid);
    if (options.recursive) for (const name of host.directories(path)) pending.push(`${path}/${name}`);
  }
  return pids;
}

/** The directory that stands for the container's cgroup: v2's, or one of v1. */
export function mainDirectory({ version, paths }: CgroupRecord): string | undefined {
  const unified = version === "v2" ? paths[""] : undefined;
  return unified ?? paths.devices ?? paths.pids ?? Object.values(paths)[0];
}

function pidsIn(path: string, host: HostFiles): readonly number[] {
  // A threaded cgroup answers EOPNOTSUPP for its processes (cgroups(7)).
  const text = host.read(`${path}/cgroup.procs`) ?? host.read(`${path}/cgroup.threads`) ?? "";
  return text.split("\n").flatMap((line) => (line === "" ? [] : [Number(line)]));
}
