import type { Op } from "../program/ops.ts";
import type { CpuResources } from "../spec/types.ts";
import type { Hierarchy } from "./facts.ts";
import type { HostFiles } from "./host.ts";
import { writeOp } from "./limits.ts";
import { between } from "./paths.ts";
import { mkdirOp } from "./usable.ts";

type File = "cpus" | "mems";

/**
 * Makes a v1 cpuset cgroup. A new cpuset is empty and takes no process, so each new one from the top down, and
 * each that was left empty, gets what its parent has; the container's own gets what was asked for.
 */
export function cpusetOps(
  hierarchy: Hierarchy,
  directory: string,
  cpu: CpuResources | undefined,
  base: string,
  host: HostFiles,
): readonly Op[] {
  const ops: Op[] = [];
  const name = (file: File) => (hierarchy.noPrefix ? file : `cpuset.${file}`);
  const chain = [...between(hierarchy.mount, directory), directory];
  const start = chain.findLastIndex((path) => filled(host, path, name)) + 1;
  const source = chain[start - 1] ?? hierarchy.mount;
  const inherited = { cpus: host.read(`${source}/${name("cpus")}`), mems: host.read(`${source}/${name("mems")}`) };
  for (const path of chain.slice(start)) {
    const own = path === directory;
    ops.push(mkdirOp(path));
    for (const file of ["cpus", "mems"] as const) {
      const wanted = own ? cpu?.[file] : undefined;
      if (wanted) ops.push(writeOp(`${path}/${name(file)}`, wanted, `${base}/cpu/${file}`));
      else if (!isEmpty(inherited[file]) && (!host.exists(path) || isEmpty(host.read(`${path}/${name(file)}`)))) {
        ops.push(writeOp(`${path}/${name(file)}`, inherited[file]?.trim() ?? ""));
      }
    }
  }
  if (start === chain.length) {
    for (const file of ["cpus", "mems"] as const) {
      const wanted = cpu?.[file];
      if (wanted) ops.push(writeOp(`${directory}/${name(file)}`, wanted, `${base}/cpu/${file}`));
    }
  }
  return ops;
}

function filled(host: HostFiles, path: string, name: (file: File) => string): boolean {
  // Most are still to be made, and in JavaScript a read that fails costs ten times the question.
  if (!host.exists(path)) return false;
  return !isEmpty(host.read(`${path}/${name("cpus")}`)) && !isEmpty(host.read(`${path}/${name("mems")}`));
}

function isEmpty(text: string | undefined): boolean {
  return text === undefined || text.trim() === "";
}
