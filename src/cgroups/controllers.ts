import type { Op } from "../program/ops.ts";
import { type Hierarchy, words } from "./facts.ts";
import type { HostFiles } from "./host.ts";
import { writeOp } from "./limits.ts";
import { between } from "./paths.ts";
import { mkdirOp } from "./usable.ts";

/**
 * Makes the cgroups above a container's and has each hand all controllers down, in one write where some are
 * missing: such a write stops the world a little, so it is not made for nothing (cgroups(7), "Subtree control").
 */
export function controllerOps(
  hierarchy: Hierarchy,
  directory: string,
  available: readonly string[],
  needed: ReadonlyMap<string, string>,
  host: HostFiles,
  rootless: boolean,
): readonly Op[] {
  // In use by processes, not there, or not possible for this kind of cgroup; for a rootless runtime, not its own.
  const refusals = ["EBUSY", "ENOENT", "EOPNOTSUPP", rootless ? "EACCES" : "EINVAL"];
  const ops: Op[] = [];
  for (const path of [hierarchy.mount, ...between(hierarchy.mount, directory)]) {
    const text = host.read(`${path}/cgroup.subtree_control`);
    if (text === undefined) ops.push(mkdirOp(path));
    const enabled = words(text);
    const missing = available.filter((controller) => !enabled.includes(controller));
    if (missing.length > 0) ops.push(...enableOps(`${path}/cgroup.subtree_control`, missing, needed, refusals));
  }
  return ops;
}

/**
 * All at once first. One controller that cannot be enabled makes the kernel refuse the whole write, so each is
 * tried again by itself; for those that are enabled by then it is a no-op. Only a needed one must succeed.
 */
function enableOps(
  file: string,
  missing: readonly string[],
  needed: ReadonlyMap<string, string>,
  refusals: readonly string[],
): readonly Op[] {
  const plus = missing.map((controller) => `+${controller}`);
  const enable = (text: string): Op => ({ ...writeOp(file, text, undefined, refusals), what: "cgroup" });
  const ops: Op[] = [enable(plus.join(" "))];
  for (const controller of missing) {
    const at = needed.get(controller);
    if (at !== undefined) ops.push(writeOp(file, `+${controller}`, at));
    else if (missing.length > 1) ops.push(enable(`+${controller}`));
  }
  return ops;
}
