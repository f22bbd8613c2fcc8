import { type CgroupFacts, readCgroupFacts } from "../../src/cgroups/facts.ts";
import type { HostFiles } from "../../src/cgroups/host.ts";
import type { Op } from "../../src/program/ops.ts";

/** A host made of files by path; a path ending in "/" is a directory. `readOnly`: where nothing may be created. */
export function fakeHost(
  files: Readonly<Record<string, string>>,
  options: { readonly cgroup2?: string; readonly readOnly?: readonly string[] } = {},
): HostFiles {
  const names = Object.keys(files);
  const exists = (path: string) => names.some((name) => name === path || name.startsWith(`${path}/`));
  return {
    read: (path) => files[path],
    exists,
    directories: (path) => {
      const below = names.filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1));
      return [...new Set(below.filter((name) => name.includes("/")).map((name) => name.split("/")[0] ?? ""))];
    },
    isCgroup2: (path) => path === options.cgroup2,
    writable: (path) => !(options.readOnly ?? []).includes(path),
  };
}

const V1_NAMES = "cpu,cpuacct|cpuset|memory|devices|freezer|blkio|pids|hugetlb|net_cls,net_prio|rdma|name=systemd";

/** Systemd's layout of v1: each hierarchy below /sys/fs/cgroup, `name=systemd` in `systemd`. */
export function v1Host(own = "/", files: Readonly<Record<string, string>> = {}): HostFiles {
  const hierarchies = V1_NAMES.split("|");
  const mounts = hierarchies.map(
    (names, i) =>
      `${40 + i} 30 0:${40 + i} / /sys/fs/cgroup/${names.replace("name=", "")} rw - cgroup cgroup rw,${names}`,
  );
  const base: Record<string, string> = {
    "/proc/self/mountinfo": `30 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n${mounts.join("\n")}\n`,
    "/proc/self/cgroup": hierarchies.map((names, i) => `${i + 2}:${names}:${own}`).join("\n"),
    "/sys/fs/cgroup/cpuset/cpuset.cpus": "0-3\n",
    "/sys/fs/cgroup/cpuset/cpuset.mems": "0\n",
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.use_hierarchy": "1\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us": "950000\n",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0\n",
  };
  for (const names of hierarchies) base[`/sys/fs/cgroup/${names.replace("name=", "")}/cgroup.procs`] = "1\n";
  return fakeHost({ ...base, ...files });
}

export const V2_CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc\n";

/** A pure v2 host whose root hands everything down. */
export function v2Host(
  own = "/",
  files: Readonly<Record<string, string>> = {},
  readOnly: readonly string[] = [],
): HostFiles {
  const base = {
    "/proc/self/cgroup": `0::${own}\n`,
    "/sys/fs/cgroup/cgroup.controllers": V2_CONTROLLERS,
    "/sys/fs/cgroup/cgroup.subtree_control": V2_CONTROLLERS,
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0\n",
    "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0\n",
  };
  return fakeHost({ ...base, ...files }, { cgroup2: "/sys/fs/cgroup", readOnly });
}

export function facts(host: HostFiles): CgroupFacts {
  return readCgroupFacts(host);
}

/** An op as one line, with the mount point left out: `write memory/x/memory.max 5 ?ENOENT`. */
export function show(op: Op): string {
  const short = (path: string) => path.replace("/sys/fs/cgroup/", "");
  switch (op.op) {
    case "mkdir":
      return `mkdir ${short(op.path)}`;
    case "write":
      return `write ${short(op.path)} ${op.text}${op.ignore.map((name) => ` ?${name}`).join("")}`;
    case "attach":
      return `attach ${short(op.path)}`;
    case "deviceProgram":
      return `deviceProgram ${short(op.cgroup)}`;
    case "cgroupRemove":
      return `remove ${short(op.path)}${op.kill ? " kill" : ""}`;
    case "writeUntil":
      return `writeUntil ${short(op.path)} ${op.text} ${short(op.poll)} ${op.expect}`;
    default:
      return op.op;
  }
}

/** The writes among ops that are neither device rules nor made with the directory. */
export function writes(ops: readonly Op[]): readonly string[] {
  return ops.map(show).filter((line) => line.startsWith("write ") && !/devices\.|subtree_control/.test(line));
}
