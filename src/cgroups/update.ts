import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Resources } from "../spec/types.ts";
import { type CgroupFacts, words } from "./facts.ts";
import { type LimitContext, writeOp } from "./limits.ts";
import { cpuset } from "./limits-cpu.ts";
import { refuseUnified } from "./limits-other.ts";
import { limitsV1, mountOf } from "./plan-v1.ts";
import { type HeldLimits, isPseudo, limitsV2, unavailable } from "./plan-v2.ts";
import { setOp } from "./systemd/calls.ts";
import type { Property } from "./systemd/collect.ts";
import { exactResources, fromBfq } from "./systemd/exact.ts";
import { fileProperties, limitProperties } from "./systemd/properties.ts";
import { limitPropertiesV1 } from "./systemd/properties-v1.ts";
import type { CgroupRecord } from "./types.ts";

export interface UpdatePlan {
  readonly ops: readonly Op[];
  /** What systemd is told then: what the kernel refuses it is not to hold. It takes all of it or nothing. */
  readonly tell: readonly Op[];
  /** What takes that back, where something fails after it. */
  readonly untell: readonly Op[];
  readonly warnings: readonly string[];
}

/**
 * Compiles a change of a living container's limits. As in runc an absent value and most zeros leave what is,
 * devices are not touched, and what belongs together but was not given (period with quota, memory with swap)
 * keeps its present value, which is read from the cgroup. Pointers in ops and errors are into `resources`.
 */
export function updatePlan(given: Resources, record: CgroupRecord, facts: CgroupFacts): UpdatePlan {
  const ops: Op[] = [];
  const warnings: string[] = [];
  const unit = record.systemd;
  const held = once(() => heldLimits(record, facts));
  const resources = unit === undefined ? given : exactResources(given, () => held().cpuMax);
  const context = { resources, base: "", host: facts.host, ops, warnings };
  if (record.version === "v2") updateV2({ ...context, ...(unit && { ioWeight: fromBfq }) }, record, facts, held);
  else updateV1(context, record, facts);
  const properties = unit === undefined ? [] : propertiesOf(resources, record, held);
  if (unit === undefined || properties.length === 0) return { ops, tell: [], untell: [], warnings };
  const before = fileProperties(heldFiles(ops, facts)).filter(({ name }) =>
    properties.some((property) => property.name === name),
  );
  const untell = before.length === 0 ? [] : [{ ...setOp(unit, before), quiet: true }];
  return { ops, tell: [setOp(unit, properties)], untell, warnings };
}

function propertiesOf(resources: Resources, { version }: CgroupRecord, held: () => HeldLimits): readonly Property[] {
  if (version === "v2") return limitProperties(resources, "", held);
  return limitPropertiesV1(resources, "", () => held().cpuMax);
}

/** What the files that are to be written hold, by their names. */
function heldFiles(ops: readonly Op[], { host }: CgroupFacts): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const op of ops) {
    const text = op.op === "write" ? host.read(op.path) : undefined;
    if (op.op === "write" && text !== undefined) files[op.path.slice(op.path.lastIndexOf("/") + 1)] = text;
  }
  return files;
}

function heldLimits({ paths, version }: CgroupRecord, { host }: CgroupFacts): HeldLimits {
  const read = (file: string) => host.read(`${paths[""]}/${file}`)?.trim();
  const readV1 = (file: string) => host.read(`${paths.cpu}/${file}`)?.trim() ?? "";
  return {
    memory: { limit: read("memory.max"), swap: read("memory.swap.max") },
    cpuMax:
      version === "v2"
        ? read("cpu.max")
        : `${readV1("cpu.cfs_quota_us")} ${readV1("cpu.cfs_period_us")}`.replace("-1 ", "max "),
    cpuIdle: read("cpu.idle"),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
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

function updateV2(
  unplaced: Unplaced,
  { paths }: CgroupRecord,
  { host, v2 }: CgroupFacts,
  held: () => HeldLimits,
): void {
  let available: readonly string[] | undefined;
  const directory = (controller: string, at: string) => {
    const path = paths[""];
    if (path === undefined) return missing(controller, at);
    available ??= words(host.read(`${path}/cgroup.controllers`));
    if (isPseudo(controller) || available.includes(controller)) return path;
    throw unavailable(controller, path, at);
  };
  limitsV2({ ...unplaced, directory, mount: () => v2?.mount ?? "/sys/fs/cgroup" }, held);
}

function missing(controller: string, at: string): never {
  throw new TsruncError("unsupported", `cannot set ${controller} limit: container could not join or create cgroup`, {
    at,
  });
}
