import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Resources } from "../spec/types.ts";
import { type CgroupFacts, words } from "./facts.ts";
import { type LimitContext, writeOp } from "./limits.ts";
import { cpuset } from "./limits-cpu.ts";
import { refuseUnified } from "./limits-other.ts";
import { limitsV1, mountOf } from "./plan-v1.ts";
import { isPseudo, limitsV2, unavailable } from "./plan-v2.ts";
import { propertiesOf } from "./systemd/properties.ts";
import { systemdOp, type UnitRecord } from "./systemd/request.ts";
import type { CgroupRecord } from "./types.ts";

export interface UpdatePlan {
  readonly ops: readonly Op[];
  readonly warnings: readonly string[];
}

/**
 * Compiles a change of a living container's limits. As in runc an absent value and most zeros leave what is,
 * devices are not touched, and what belongs together but was not given (period with quota, memory with swap)
 * keeps its present value, which is read from the cgroup. Pointers in ops and errors are into `resources`.
 */
export function updatePlan(resources: Resources, record: CgroupRecord, facts: CgroupFacts): UpdatePlan {
  const ops: Op[] = [];
  const warnings: string[] = [];
  const context = { resources, base: "", host: facts.host, ops, warnings };
  if (record.version === "v2") updateV2(context, record, facts);
  else updateV1(context, record, facts);
  return { ops: record.systemd === undefined ? ops : withUnit(ops, record.systemd), warnings };
}

/**
 * The files first: what the kernel refuses systemd is not told, so that all can be taken back. And last again, as
 * systemd writes them too, some of them rounded.
 */
function withUnit(ops: readonly Op[], record: UnitRecord): readonly Op[] {
  const properties = propertiesOf(ops);
  if (properties.length === 0) return ops;
  return [...ops, systemdOp("set", { ...record, properties }), ...ops];
}

type Unplaced = Omit<LimitContext, "directory" | "mount">;

function updateV1(unplaced: Unplaced, { paths }: CgroupRecord, facts: CgroupFacts): void {
  refuseUnified(unplaced.resources, unplaced.base);
  const directory = (controller: string, at: string) => paths[controller] ?? missing(controller, at);
  const context: LimitContext = { ...unplaced, directory, mount: (controller) => mountOf(controller, facts) };
  limitsV1(context);
  const hierarchy = facts.v1.find((h) => h.controllers.includes("cpuset"));
  const { cpu } = unplaced.resources;
  if (cpu && !hierarchy?.noPrefix) cpuset(context, cpu);
  for (const file of ["cpus", "mems"] as const) {
    const value = hierarchy?.noPrefix ? cpu?.[file] : undefined;
    if (value) context.ops.push(writeOp(`${directory("cpuset", `/cpu/${file}`)}/${file}`, value, `/cpu/${file}`));
  }
}

function updateV2(unplaced: Unplaced, { paths }: CgroupRecord, { host, v2 }: CgroupFacts): void {
  let available: readonly string[] | undefined;
  const directory = (controller: string, at: string) => {
    const path = paths[""];
    if (path === undefined) return missing(controller, at);
    available ??= words(host.read(`${path}/cgroup.controllers`));
    if (isPseudo(controller) || available.includes(controller)) return path;
    throw unavailable(controller, path, at);
  };
  const read = (file: string) => host.read(`${paths[""]}/${file}`)?.trim();
  limitsV2({ ...unplaced, directory, mount: () => v2?.mount ?? "/sys/fs/cgroup" }, () => ({
    memory: { limit: read("memory.max"), swap: read("memory.swap.max") },
    cpuMax: read("cpu.max"),
  }));
}

function missing(controller: string, at: string): never {
  throw new TsruncError("unsupported", `cannot set ${controller} limit: container could not join or create cgroup`, {
    at,
  });
}
