/** How a process gets into a cgroup of version 2: it is born there, unless the kernel then forgets half of it. */
import type { Op } from "../program/ops.ts";
import { HOST, type HostFiles } from "./host.ts";

/** The directory for CLONE_INTO_CGROUP, or the op by which the process enters it as the first thing that it does. */
export interface Entrance {
  readonly into?: string;
  readonly enter: readonly Op[];
}

/** @param confined the cgroup may have other CPUs or memory nodes than this process */
export function entrance(directory: string, confined: () => boolean, host: HostFiles = HOST): Entrance {
  if (givesCpusetAtBirth(host) || !confined()) return { into: directory, enter: [] };
  const path = `${directory}/cgroup.procs`;
  return { enter: [{ op: "write", path, text: "0", flags: 0, ignore: [], what: "cgroup" }] };
}

/**
 * Before Linux 6.4 a process that is born in a cgroup keeps the CPUs and memory nodes of its parent (cpuset_fork).
 * Later versions of some older kernels have this mended; that cannot be told, and entering costs some milliseconds only.
 */
function givesCpusetAtBirth(host: HostFiles): boolean {
  const [major, minor] = (host.read("/proc/sys/kernel/osrelease") ?? "").split(/[.-]/, 2).map(Number);
  return !(major !== undefined && minor !== undefined && (major < 6 || (major === 6 && minor < 4)));
}

/** Whether a cgroup that is there has other CPUs or memory nodes than this process. */
export function isConfined(directory: string, host: HostFiles = HOST): boolean {
  const status = host.read("/proc/self/status") ?? "";
  const differs = (file: string, line: RegExp) => {
    const text = host.read(`${directory}/${file}`)?.trim();
    return text !== undefined && text !== line.exec(status)?.[1];
  };
  return (
    differs("cpuset.cpus.effective", /^Cpus_allowed_list:\s*(\S*)$/m) ||
    differs("cpuset.mems.effective", /^Mems_allowed_list:\s*(\S*)$/m)
  );
}
