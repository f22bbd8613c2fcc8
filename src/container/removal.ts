/** What is needed to take a container away, from what is kept of it. */
import { freezePlan } from "../cgroups/freeze.ts";
import { withoutGoneUnit } from "../cgroups/remove.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import type { RemovalInput } from "../program/compile-delete.ts";
import type { Op } from "../program/ops.ts";
import { removeResctrlOps } from "../resctrl/plan.ts";
import type { Spec } from "../spec/types.ts";
import { environment } from "./environment.ts";
import type { ProcessRef } from "./proc.ts";
import { containerDirectory, loadConfigText, type StateRecord } from "./store.ts";

const SIGKILL = 9;
const KILL_WAIT_MS = 10_000;
const NO_CGROUP: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

/** Of the config only the hooks that the host runs matter here; it was checked when the container was created. */
function storedSpec(root: string, record: StateRecord): Spec {
  const { ociVersion, annotations } = record;
  const text = loadConfigText(root, record.id);
  const hooks =
    text.includes('"poststart"') || text.includes('"poststop"') ? (JSON.parse(text) as Spec).hooks : undefined;
  return {
    ociVersion,
    ...(annotations === undefined ? {} : { annotations }),
    ...(hooks === undefined ? {} : { hooks }),
  };
}

export function removalInput(root: string, record: StateRecord): RemovalInput {
  const spec = storedSpec(root, record);
  return {
    spec,
    id: record.id,
    bundle: record.bundle,
    stateDirectory: containerDirectory(root, record.id),
    cgroup: { record: withoutGoneUnit(record.cgroup ?? NO_CGROUP) },
    environment: spec.hooks === undefined ? [] : environment(),
  };
}

/** Mounts that a container without a mount namespace made on the host, and groups of resctrl. */
export function leaveOps({ hostMounts, rootfs, resctrl }: StateRecord): Op[] {
  const groups = removeResctrlOps(resctrl);
  if (hostMounts === undefined) return groups;
  return [{ op: "unmount", root: rootfs, paths: hostMounts, at: "/mounts" }, ...groups];
}

export function killOp({ pid, startTime }: ProcessRef): Op {
  return { op: "signal", pid, start: startTime, signal: SIGKILL, waitMs: KILL_WAIT_MS, ignore: ["ESRCH"] };
}

/** Without a cgroup of its own nothing can be frozen, nor in one that is no more: somebody moved its processes elsewhere. */
export function thawOps({ cgroup }: StateRecord): readonly Op[] {
  if (cgroup === undefined || Object.keys(cgroup.paths).length === 0) return [];
  return freezePlan(cgroup, "thawed", ["ENOENT", "ENODEV", "ENOTDIR"]);
}
