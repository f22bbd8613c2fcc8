/**
 * A machine for the build's process, which does once what verbs do: the same for every builder, whoever it is and whatever
 * it runs on, so that the heap it leaves is the same too.
 */
import { LITTLE, viewOf } from "../endian.ts";
import { setType } from "./fs.ts";
import { host } from "./host.ts";

export type Files = Readonly<Record<string, string>>;

const ENOENT = 2;
const CGROUP2_MAGIC = 0x63677270;
const DIRECTORY = host.files.S_IFDIR | 0o755;
/** The bundle has it. */
const ROOTFS = "/bundle/rootfs";
/** A descriptor of whatever has been opened: none is real. */
const FD = 3;

const MOUNTS_V1 = ["cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "name=systemd"];

/** What is read of every machine. */
const COMMON: Files = {
  "/proc/self/stat": "1000 (tsrunc) R 1 1000 1000 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0",
  "/proc/self/status": "Name:\ttsrunc\nCapBnd:\t000001ffffffffff\n",
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/proc/sys/kernel/cap_last_cap": "40\n",
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
};

/** With the cgroups of a machine of today. */
export const V2: Files = {
  ...COMMON,
  "/proc/self/cgroup": "0::/\n",
  "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids\n",
  "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu io memory pids\n",
  "/sys/fs/cgroup/cgroup.type": "domain\n",
};

/** With cgroup v1. */
export const V1: Files = {
  ...COMMON,
  "/proc/self/cgroup": `${MOUNTS_V1.map((names, i) => `${i + 1}:${names}:/`).join("\n")}\n0::/\n`,
  "/proc/self/mountinfo": `${MOUNTS_V1.map((names, i) => `${i + 30} 23 0:${i + 26} / /sys/fs/cgroup/${names.replace("name=", "")} rw - cgroup cgroup rw,${names}`).join("\n")}\n39 23 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`,
  "/sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n",
  "/sys/fs/cgroup/cpuset/cpuset.mems": "0\n",
};

/** What a system call gives that is made by name. */
function answer(name: string | undefined, words: readonly unknown[], files: Files): number {
  switch (name) {
    case "faccessat":
      return files[String(words[1])] === undefined ? -ENOENT : 0;
    case "statx":
      viewOf(words[4] as Uint8Array).setUint16(28, DIRECTORY, LITTLE);
      return 0;
    case "statfs":
      setType(words[1] as Uint8Array, files["/sys/fs/cgroup/cgroup.controllers"] === undefined ? 0 : CGROUP2_MAGIC);
      return 0;
    case "openat":
      return FD;
    case "write":
      return Number(words[2]);
    case "readlinkat":
      return host.encode(ROOTFS, words[2] as Uint8Array, 0);
    case "getcwd":
      return host.encode("/\0", words[0] as Uint8Array, 0);
    case "getpid":
      return 1000;
    default:
      return 0;
  }
}

/** Does something while this process sees nothing of its machine but `files`, and changes nothing of it. */
export function pretend(files: Files, action: () => void): void {
  // One by one: they are not enumerable.
  const { readFile, syscall, list, argv, environ } = host;
  const names = new Map(Object.entries(host.calls).map(([name, number]) => [number, name]));
  const told: Partial<typeof host> = {
    readFile: (source, encoding) => (encoding === 2 ? -ENOENT : (files[String(source)] ?? -ENOENT)),
    syscall: (number, ...words) => answer(names.get(number), words, files),
    list: () => [],
    argv: () => ["tsrunc"],
    environ: () => [],
  };
  try {
    Object.assign(host, told);
    action();
  } finally {
    Object.assign(host, { readFile, syscall, list, argv, environ });
  }
}
