import { TsruncError } from "../../errors.ts";
import type { Op } from "../../program/ops.ts";
import { controllerOps } from "../controllers.ts";
import { devicePolicy } from "../device-rules.ts";
import { type CgroupFacts, type Hierarchy, unifiedControllers, words } from "../facts.ts";
import { delegation, deviceOps, isPseudo, limitsV2, unavailable } from "../plan-v2.ts";
import type { CgroupInput, CgroupPlan, CgroupRecord } from "../types.ts";
import { annotatedProperties } from "./annotations.ts";
import { placeOp, startOp } from "./calls.ts";
import { deviceProperties } from "./devices.ts";
import { exactResources, fromBfq } from "./exact.ts";
import { findManager, type Manager } from "./manager.ts";
import { parseUnit, slicePath, type Unit } from "./names.ts";
import { limitProperties, merged, scopeProperties } from "./properties.ts";

/** Controllers that systemd manages itself and, with Delegate=, switches on for a scope. */
const MANAGED = ["cpu", "cpuset", "io", "memory", "pids"];

/**
 * The systemd driver: a scope of which systemd knows the limits. A scope is made around a process that exists,
 * so nothing is prepared; all is done once the container's process is there and before it goes on. The limits are then
 * written to the files too: the kernel's refusal of a value is an error then, and some have no property.
 */
export function planSystemd(given: CgroupInput, facts: CgroupFacts): CgroupPlan {
  const input = { ...given, resources: exactResources(given.resources ?? {}) };
  const hierarchy = unified(facts);
  const manager = findManager(input.rootless, facts);
  const unit = parseUnit(input, manager.defaultSlice);
  const cgroup = `${manager.cgroup}${slicePath(unit.slice)}/${unit.name}`;
  const directory = hierarchy.mount + cgroup;
  const { limits, needed, warnings } = limitOps(input, facts, manager, directory);
  const record = recordOf(manager, unit, directory);
  const properties = merged(
    scopeProperties(input.id, unit.slice),
    limitProperties(input.resources, "/linux/resources"),
    (input.skipDevices ?? input.rootless) ? [] : deviceProperties(devicePolicy(input.resources.devices, input.devices)),
    annotatedProperties(input.annotations),
  );
  const others = [...needed.keys()];
  const adopt: Op[] = [
    startOp(record.systemd, properties),
    placeOp(cgroup),
    ...ownerOps(input, facts, directory),
    ...(others.length > 0 ? controllerOps(hierarchy, directory, others, needed, facts.host, false) : []),
    ...limits,
    ...deviceOps(input, facts, directory, true),
  ];
  return { prepare: [], attach: [], enter: [], adopt, record, warnings };
}

function unified({ mode, v2 }: CgroupFacts): Hierarchy {
  if (mode === "v2" && v2 !== undefined) return v2;
  throw new TsruncError("unsupported", "the systemd cgroup driver needs a host with cgroup v2 alone", {
    hint: "boot with systemd.unified_cgroup_hierarchy=1, or run without --systemd-cgroup",
  });
}

function recordOf({ addresses, transient }: Manager, { name: unit }: Unit, directory: string) {
  const systemd = { unit, addresses, file: `${transient}/${unit}` };
  return { version: "v2", manager: "systemd", paths: { "": directory }, systemd } as const satisfies CgroupRecord;
}

/** config-linux.md, "Cgroup ownership". */
function ownerOps(input: CgroupInput, facts: CgroupFacts, directory: string): Op[] {
  const { ownerUid } = input;
  if (ownerUid === undefined) return [];
  return [directory, ...delegation(input, facts, directory)].map(
    (path): Op => ({ op: "chown", path, uid: ownerUid, gid: -1, ignore: ["ENOENT"], what: "cgroup" }),
  );
}

interface Limits {
  readonly limits: readonly Op[];
  /** Controllers that systemd knows nothing of, with what they are needed for. */
  readonly needed: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

function limitOps(input: CgroupInput, facts: CgroupFacts, manager: Manager, directory: string): Limits {
  const limits: Op[] = [];
  const warnings: string[] = [];
  const needed = new Map<string, string>();
  const top = `${facts.v2?.mount}${manager.cgroup}`;
  const available =
    manager.cgroup === "" ? unifiedControllers(facts) : words(facts.host.read(`${top}/cgroup.controllers`));
  limitsV2({
    resources: input.resources ?? {},
    base: "/linux/resources",
    host: facts.host,
    directory: (controller, at) => {
      if (isPseudo(controller)) return directory;
      if (!available.includes(controller)) throw missing(manager, controller, top, at);
      if (!MANAGED.includes(controller) && !needed.has(controller)) needed.set(controller, at);
      return directory;
    },
    mount: () => facts.v2?.mount ?? "",
    ops: limits,
    warnings,
    ioWeight: fromBfq,
  });
  return { limits, needed, warnings };
}

function missing({ kind }: Manager, controller: string, directory: string, at: string): TsruncError {
  if (kind === "system") return unavailable(controller, directory, at);
  return new TsruncError("unsupported", `cgroup controller \`${controller}\` is not delegated to the user's systemd`, {
    at,
    hint: "remove the limit, or set `Delegate=cpu cpuset io memory pids` in a drop-in of user@.service",
  });
}
