import { TsruncError } from "../../errors.ts";
import type { Op } from "../../program/ops.ts";
import { controllerOps } from "../controllers.ts";
import { devicePolicy } from "../device-rules.ts";
import { type CgroupFacts, unifiedControllers, words } from "../facts.ts";
import { delegation, deviceOps, isPseudo, limitsV2, unavailable } from "../plan-v2.ts";
import type { CgroupInput, CgroupPlan } from "../types.ts";
import { annotatedProperties } from "./annotations.ts";
import { placeOp, startOp, unitRecord } from "./calls.ts";
import { deviceProperties } from "./devices.ts";
import { exactResources, fromBfq } from "./exact.ts";
import { findManager, type Manager } from "./manager.ts";
import { parseUnit, slicePath } from "./names.ts";
import { planSystemdV1 } from "./plan-v1.ts";
import { limitProperties, merged, scopeProperties } from "./properties.ts";

/** Controllers that systemd manages itself and, with Delegate=, switches on for a scope. */
const MANAGED = ["cpu", "cpuset", "io", "memory", "pids"];

/**
 * The systemd driver: a scope of which systemd knows the limits. A scope is made around a process that exists,
 * so nothing is prepared; all is done once the container's process is there and before it goes on. The limits are then
 * written to the files too: the kernel's refusal of a value is an error then, and some have no property.
 */
export function planSystemd(given: CgroupInput, facts: CgroupFacts): CgroupPlan {
  const hierarchy = facts.mode === "v2" ? facts.v2 : undefined;
  if (hierarchy === undefined) return planSystemdV1(given, facts);
  const input = { ...given, resources: exactResources(given.resources ?? {}) };
  const manager = findManager(input.rootless, facts);
  const unit = parseUnit(input, manager.defaultSlice);
  const cgroup = `${manager.cgroup}${slicePath(unit.slice)}/${unit.name}`;
  const directory = hierarchy.mount + cgroup;
  const { limits, needed, warnings } = limitOps(input, facts, manager, directory);
  const systemd = unitRecord(manager, unit.name);
  const record = { version: "v2", manager: "systemd", paths: { "": directory }, systemd } as const;
  const properties = merged(
    scopeProperties(input.id, unit.slice),
    limitProperties(input.resources, "/linux/resources"),
    (input.skipDevices ?? input.rootless) ? [] : deviceProperties(devicePolicy(input.resources.devices, input.devices)),
    annotatedProperties(input.annotations),
  );
  const others = [...needed.keys()];
  const adopt: Op[] = [
    startOp(systemd, properties),
    placeOp(`0::${cgroup}`),
    ...ownerOps(input, facts, directory),
    ...(others.length > 0 ? controllerOps(hierarchy, directory, others, needed, facts.host, false) : []),
    ...limits,
    ...deviceOps(input, facts, directory, true),
  ];
  return { prepare: [], attach: [], enter: [], adopt, record, warnings };
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
