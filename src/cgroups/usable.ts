import { posix } from "node:path";
import { TsruncError } from "../errors.ts";
import type { OpOf } from "../program/ops.ts";
import type { HostFiles } from "./host.ts";
import type { CgroupInput } from "./types.ts";

/** Makes a cgroup; one that is there already is as good. `uid`: its owner on v2. */
export function mkdirOp(path: string, uid = -1): OpOf<"mkdir"> {
  return { op: "mkdir", path, mode: 0o755, parents: true, existOk: true, uid, gid: -1, what: "cgroup" };
}

/**
 * Whether a rootless runtime can make a cgroup. If not and the path was asked for, that is an error; where
 * nothing was asked for the container goes without, as with runc.
 */
export function mayCreate(directory: string, input: CgroupInput, host: HostFiles): boolean {
  let parent = directory;
  while (parent.length > 1 && !host.exists(parent)) parent = posix.dirname(parent);
  if (host.writable(parent)) return true;
  if (!input.cgroupsPath) return false;
  throw new TsruncError("io", `unable to apply cgroup configuration: mkdir \`${directory}\`: permission denied`, {
    at: "/linux/cgroupsPath",
    errno: "EACCES",
    hint: `\`${parent}\` is not yours to write in`,
  });
}

/** A limit on a controller whose cgroup a rootless runtime could not make. */
export function notPermitted(controller: string, at: string): TsruncError {
  return new TsruncError("io", `cannot set ${controller} limit: container could not join or create cgroup`, {
    at,
    errno: "EACCES",
    hint: "have the cgroup delegated to you, or remove the limit",
  });
}

export function refuseRoot({ cgroupsPath }: CgroupInput): TsruncError {
  return new TsruncError("config", `cgroupsPath \`${cgroupsPath}\` names the root of the hierarchy`, {
    at: "/linux/cgroupsPath",
    hint: "name a cgroup below it, such as `/machine/mycontainer`",
  });
}
