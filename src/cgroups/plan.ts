import { TsruncError } from "../errors.ts";
import type { CgroupFacts } from "./facts.ts";
import { isFrozen } from "./freeze.ts";
import { listPids } from "./pids.ts";
import { planV1 } from "./plan-v1.ts";
import { planV2 } from "./plan-v2.ts";
import { planSystemd } from "./systemd/plan.ts";
import type { CgroupInput, CgroupPlan, CgroupRecord } from "./types.ts";

/**
 * Compiles `linux.cgroupsPath` and `linux.resources` for this host's cgroups. Reads the host, changes nothing.
 * Throws where something that was asked for cannot be had.
 */
export function planCgroup(input: CgroupInput, facts: CgroupFacts): CgroupPlan {
  if (input.manager === "disabled") return without("none", input);
  if (facts.mode === "none" && input.manager !== "systemd") return planNone(input);
  const plan = planWith(input, facts);
  checkFit(plan.record, facts);
  return plan;
}

/** Where the container's cgroups are, or would be. @throws TsruncError as {@link planCgroup}, but not for a cgroup in use */
export function cgroupRecord(input: CgroupInput, facts: CgroupFacts): CgroupRecord {
  return planWith(input, facts).record;
}

function planWith(input: CgroupInput, facts: CgroupFacts): CgroupPlan {
  if (input.manager === "systemd") return planSystemd(input, facts);
  return facts.mode === "v2" ? planV2(input, facts) : planV1(input, facts);
}

function planNone(input: CgroupInput): CgroupPlan {
  if (input.rootless && !input.cgroupsPath && !hasLimits(input)) return without("none", input);
  throw new TsruncError("unsupported", "no cgroup mount found in mountinfo", {
    hint: "mount cgroup2 on /sys/fs/cgroup, or run with --cgroup-manager disabled",
  });
}

function without(version: "none", { manager }: CgroupInput): CgroupPlan {
  return { prepare: [], attach: [], enter: [], record: { version, manager, paths: {} }, warnings: [] };
}

function hasLimits({ resources }: CgroupInput): boolean {
  return Object.keys(resources ?? {}).some((key) => key !== "devices");
}

/** A cgroup that is in use, or frozen, is not fit for a new container (config-linux.md, "Control groups"). */
function checkFit(record: CgroupRecord, facts: CgroupFacts): void {
  // Any of them: on a hybrid host one may be there without the others.
  const telling = [record.paths[""], record.paths.freezer, record.paths.devices];
  if (!telling.some((directory) => directory !== undefined && facts.host.exists(directory))) return;
  const count = listPids(record, { recursive: true }, facts.host).length;
  const at = "/linux/cgroupsPath";
  if (count > 0) throw new TsruncError("state", `container's cgroup is not empty: ${count} process(es) found`, { at });
  if (isFrozen(record, facts.host)) throw new TsruncError("state", "container's cgroup unexpectedly frozen", { at });
}
