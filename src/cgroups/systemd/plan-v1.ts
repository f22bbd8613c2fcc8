/**
 * The systemd driver on cgroup v1, also beside a unified hierarchy. systemd makes the scope's cgroups in the hierarchies
 * that it manages, and its own, `name=systemd`; in the others, such as cpuset and freezer, they are ours.
 */
import { TsruncError } from "../../errors.ts";
import type { Op } from "../../program/ops.ts";
import { devicePolicy } from "../device-rules.ts";
import type { CgroupFacts } from "../facts.ts";
import { planV1 } from "../plan-v1.ts";
import type { CgroupInput, CgroupPlan } from "../types.ts";
import { annotatedProperties } from "./annotations.ts";
import { placeOp, startOp, unitRecord } from "./calls.ts";
import { deviceProperties } from "./devices.ts";
import { exactResources } from "./exact.ts";
import { findManager } from "./manager.ts";
import { parseUnit, slicePath } from "./names.ts";
import { merged, scopeProperties } from "./properties.ts";
import { limitPropertiesV1 } from "./properties-v1.ts";

export const OWN_HIERARCHY = "name=systemd";

/**
 * The process enters all cgroups by itself, as it does without systemd. Then systemd starts the scope around it, which
 * resets what it manages to what it was told, so limits are written after that; but a cpuset must have some to be entered.
 */
export function planSystemdV1(given: CgroupInput, facts: CgroupFacts): CgroupPlan {
  if (given.rootless) throw needs("without root the systemd cgroup driver needs a host with cgroup v2 alone");
  if (!facts.v1.some(({ controllers }) => controllers.includes(OWN_HIERARCHY))) {
    throw needs(`the systemd cgroup driver needs the hierarchy \`${OWN_HIERARCHY}\`, which is not mounted`);
  }
  const input = { ...given, resources: exactResources(given.resources ?? {}) };
  const manager = findManager(false, facts);
  const unit = parseUnit(input, manager.defaultSlice);
  const cgroup = `${manager.cgroup}${slicePath(unit.slice)}/${unit.name}`;
  const plan = planV1({ ...input, cgroupsPath: cgroup }, facts);
  const systemd = unitRecord(manager, unit.name);
  const properties = merged(
    scopeProperties(input.id, unit.slice),
    limitPropertiesV1(input.resources, "/linux/resources"),
    input.skipDevices ? [] : deviceProperties(devicePolicy(input.resources.devices, input.devices)),
    annotatedProperties(input.annotations),
  );
  const cpuset = facts.v1.find(({ controllers }) => controllers.includes("cpuset"))?.mount;
  const isLimit = (op: Op) => op.op === "write" && !op.path.startsWith(`${cpuset}/`);
  return {
    ...plan,
    prepare: plan.prepare.filter((op) => !isLimit(op)),
    adopt: [startOp(systemd, properties), placeOp(`:${OWN_HIERARCHY}:${cgroup}`), ...plan.prepare.filter(isLimit)],
    record: { ...plan.record, systemd },
  };
}

function needs(message: string): TsruncError {
  return new TsruncError("unsupported", message, {
    hint: "boot with systemd.unified_cgroup_hierarchy=1, or run without --systemd-cgroup",
  });
}
