/** How what a container left on the host is taken away. */
import { removePlan } from "../cgroups/remove.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import type { Spec } from "../spec/types.ts";
import { compileHooks } from "./compile-hooks.ts";
import type { Op } from "./ops.ts";

export interface RemovalInput {
  readonly spec: Spec;
  readonly id: string;
  readonly bundle: string;
  readonly stateDirectory: string;
  readonly cgroup: { readonly record: CgroupRecord };
  readonly environment: readonly string[];
}

/** After the container's first process ended: the rest of its processes, cgroups, mounts, hooks, state. */
export function removalOps(input: RemovalInput, leave: readonly Op[]): Op[] {
  const { spec, id, bundle, environment } = input;
  return [
    ...removePlan(input.cgroup.record, { kill: true }),
    ...leave,
    ...compileHooks({ spec, id, bundle, environment }, "poststop", "stopped"),
    { op: "removeDir", path: input.stateDirectory, last: "state.json", what: "state directory" },
  ];
}

/** The same after a failed create, where every op is tried whatever becomes of the others. */
export function cleanupOps(input: RemovalInput, leave: readonly Op[]): Op[] {
  return removalOps(input, leave);
}
