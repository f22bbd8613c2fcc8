/** What is needed to take a container away, from what is kept of it. */
import * as fs from "node:fs";
import { freezePlan, hasFreezer } from "../cgroups/freeze.ts";
import { writeOp } from "../cgroups/limits.ts";
import { withoutGoneUnit } from "../cgroups/remove.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { formatError } from "../errors.ts";
import type { RemovalInput } from "../program/compile-delete.ts";
import type { Op } from "../program/ops.ts";
import { removeResctrlOps } from "../resctrl/plan.ts";
import { parseJson } from "../spec/json.ts";
import { checkHooks } from "../spec/load.ts";
import type { Spec } from "../spec/types.ts";
import { environment } from "./environment.ts";
import type { ProcessRef } from "./proc.ts";
import type { StateRecord } from "./record.ts";
import { CONFIG_FILE, containerDirectory, loadConfigText } from "./store.ts";

const SIGKILL = 9;
const KILL_WAIT_MS = 10_000;
/** Of a file of a cgroup that cannot be had, or is on a file system that takes no writes. */
const GONE = ["ENOENT", "ENODEV", "ENOTDIR", "EROFS"];
const NO_CGROUP: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

/** Of the config only the hooks that the host runs matter here. @throws TsruncError `io`, `config` */
function storedHooks(root: string, id: string): Spec["hooks"] {
  const text = loadConfigText(root, id);
  if (!text.includes('"poststart"') && !text.includes('"poststop"')) return undefined;
  const file = `${containerDirectory(root, id)}/${CONFIG_FILE}`;
  return checkHooks(parseJson(text, file), text, file);
}

function storedSpec({ ociVersion, annotations }: StateRecord, hooks: Spec["hooks"]): Spec {
  return {
    ociVersion,
    ...(annotations === undefined ? {} : { annotations }),
    ...(hooks === undefined ? {} : { hooks }),
  };
}

/** @throws TsruncError `io`, `config` where the kept config cannot be used: its hooks are to run too */
export function removalInput(root: string, record: StateRecord): RemovalInput {
  return inputWith(root, record, storedHooks(root, record.id));
}

/** The same where nothing may stand in the way: hooks that cannot be read do not run, and `warn` is told. */
export function forcedRemovalInput(root: string, record: StateRecord, warn: (message: string) => void): RemovalInput {
  let hooks: Spec["hooks"];
  try {
    hooks = storedHooks(root, record.id);
  } catch (error) {
    warn(`no hooks of \`${record.id}\` are run: ${formatError(error)}`);
  }
  return inputWith(root, record, hooks);
}

function inputWith(root: string, record: StateRecord, hooks: Spec["hooks"]): RemovalInput {
  const spec = storedSpec(record, hooks);
  return {
    spec,
    id: record.id,
    bundle: record.bundle,
    stateDirectory: containerDirectory(root, record.id),
    cgroup: { record: withoutGoneUnit(record.cgroup ?? NO_CGROUP) },
    environment: spec.hooks === undefined ? [] : environment(),
  };
}

/**
 * Where hooks begin that run after create: in the bundle, as those of create do, or in `/` where it cannot be entered any
 * more, for engines delete bundles first.
 */
export function hookDirectory({ spec, bundle }: RemovalInput): { readonly cwd?: string } {
  if (spec.hooks === undefined) return {};
  try {
    fs.accessSync(`${bundle}/.`, fs.constants.X_OK);
    return { cwd: bundle };
  } catch {
    return { cwd: "/" };
  }
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

/**
 * Without a freezer nothing can be frozen, nor in a cgroup that is no more: somebody moved its processes elsewhere, or
 * unmounted the hierarchy.
 */
export function thawOps({ cgroup }: StateRecord): readonly Op[] {
  if (cgroup === undefined || !hasFreezer(cgroup)) return [];
  return freezePlan(cgroup, "thawed", GONE);
}

/** What makes processes all the time must not be quicker than what kills them. */
export function noForkOps({ cgroup }: StateRecord): readonly Op[] {
  const directory = cgroup?.version === "v2" ? cgroup.paths[""] : cgroup?.paths.pids;
  return directory === undefined ? [] : [writeOp(`${directory}/pids.max`, 0, undefined, GONE)];
}
