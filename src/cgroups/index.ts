/** Cgroups: what a container's limits compile to, and what its cgroups tell. One interface for v1, v2 and hybrid. */
export { type CgroupFacts, type Hierarchy, readCgroupFacts } from "./facts.ts";
export { freezePlan, isFrozen } from "./freeze.ts";
export type { HostFiles } from "./host.ts";
export { oomCount, oomFile } from "./oom.ts";
export { listPids, mainDirectory } from "./pids.ts";
export { planCgroup } from "./plan.ts";
export { type RemoveOptions, removePlan } from "./remove.ts";
export { readStats, stringifyStats } from "./stats.ts";
export type { Stats } from "./stats-types.ts";
export type { CgroupInput, CgroupManager, CgroupPlan, CgroupRecord, DeviceNode } from "./types.ts";
export { type UpdatePlan, updatePlan } from "./update.ts";
