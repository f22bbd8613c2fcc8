import { append } from "../append.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import { cpusetOps } from "./cpuset-v1.ts";
import { deviceListOps } from "./device-list.ts";
import { deviceProgram } from "./device-program.ts";
import { devicePolicy } from "./device-rules.ts";
import type { CgroupFacts, Hierarchy } from "./facts.ts";
import { attachOp, enterOp, type LimitContext } from "./limits.ts";
import { cpuV1 } from "./limits-cpu.ts";
import { blkioV1 } from "./limits-io.ts";
import { memoryV1 } from "./limits-memory.ts";
import { common, networkV1, refuseUnified } from "./limits-other.ts";
import { cgroupDirectory, isMountRoot } from "./paths.ts";
import type { CgroupInput, CgroupPlan } from "./types.ts";
import { mayCreate, mkdirOp, notPermitted, refuseRoot } from "./usable.ts";

interface Place {
  readonly hierarchy: Hierarchy;
  readonly directory: string;
}

/** The v1 driver; on a hybrid host the container gets a cgroup of the unified hierarchy too. */
export function planV1(input: CgroupInput, facts: CgroupFacts): CgroupPlan {
  const base = "/linux/resources";
  const resources = input.resources ?? {};
  refuseUnified(resources, base);
  const warnings: string[] = [];
  const { places, denied } = choose(input, facts);
  const paths = pathsOf(places);
  const prepare: Op[] = [];
  for (const { hierarchy, directory } of places) {
    const isCpuset = hierarchy.controllers.includes("cpuset");
    if (isCpuset) prepare.push(...cpusetOps(hierarchy, directory, resources.cpu, base, facts.host));
    else prepare.push(mkdirOp(directory));
  }
  const context = limitContextV1(base, { ...input, resources }, facts, paths, denied, prepare, warnings);
  limitsV1(context);
  requireCpuset(context);
  if (!(input.skipDevices ?? input.rootless)) append(prepare, deviceOps(input, facts, paths));
  const unified = paths[""];
  const v1 = places.filter((place) => place.hierarchy !== facts.v2);
  const attach = v1.map((place) => attachOp(place.directory));
  const enter = v1.map((place) => enterOp(place.directory));
  const record = { version: facts.mode, manager: input.manager, paths };
  return { prepare, ...(unified === undefined ? {} : { into: unified }), attach, enter, record, warnings };
}

/** The writes for all of `resources` but the devices and, as planCgroup sets them with the directory, the cpuset. */
export function limitsV1(context: LimitContext): void {
  const { memory, cpu, blockIO } = context.resources;
  if (memory) memoryV1(context, memory);
  if (cpu) cpuV1(context, cpu);
  common(context, "limit_in_bytes");
  if (blockIO) blkioV1(context, blockIO);
  networkV1(context);
}

function requireCpuset({ resources, base, directory }: LimitContext): void {
  for (const file of ["cpus", "mems"] as const) if (resources.cpu?.[file]) directory("cpuset", `${base}/cpu/${file}`);
}

function limitContextV1(
  base: string,
  input: Required<Pick<CgroupInput, "resources">>,
  facts: CgroupFacts,
  paths: Readonly<Record<string, string>>,
  denied: ReadonlySet<string>,
  ops: Op[],
  warnings: string[],
): LimitContext {
  return {
    resources: input.resources ?? {},
    base,
    host: facts.host,
    directory: (controller, at) => {
      const path = paths[controller];
      if (path !== undefined) return path;
      throw denied.has(controller) ? notPermitted(controller, at) : notMounted(controller, at);
    },
    mount: (controller) => mountOf(controller, facts),
    ops,
    warnings,
  };
}

/** Where a v1 controller is mounted. */
export function mountOf(controller: string, facts: CgroupFacts): string {
  return facts.v1.find((hierarchy) => hierarchy.controllers.includes(controller))?.mount ?? "/sys/fs/cgroup";
}

function choose(input: CgroupInput, facts: CgroupFacts): { places: readonly Place[]; denied: ReadonlySet<string> } {
  const places: Place[] = [];
  const denied = new Set<string>();
  const add = (hierarchy: Hierarchy, layout: "v1" | "hybrid") => {
    const directory = cgroupDirectory(hierarchy, input, layout);
    if (isMountRoot(hierarchy, directory)) throw refuseRoot(input);
    if (!input.rootless || mayCreate(directory, input, facts.host)) places.push({ hierarchy, directory });
    else for (const controller of hierarchy.controllers) denied.add(controller);
  };
  for (const hierarchy of facts.v1) add(hierarchy, "v1");
  if (facts.mode === "hybrid" && facts.v2) add(facts.v2, "hybrid");
  return { places, denied };
}

/** As runc's state names them: by controller, `name=systemd`, and "" for the unified hierarchy. */
function pathsOf(places: readonly Place[]): Readonly<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const { hierarchy, directory } of places) {
    for (const controller of hierarchy.controllers) paths[controller] = directory;
    if (hierarchy.controllers.length === 0) paths[""] = directory;
  }
  return paths;
}

function deviceOps(input: CgroupInput, facts: CgroupFacts, paths: Readonly<Record<string, string>>): readonly Op[] {
  const policy = devicePolicy(input.resources?.devices, input.devices);
  const directory = paths.devices;
  if (directory !== undefined) return deviceListOps(directory, policy, !facts.host.exists(directory));
  const unified = paths[""];
  if (unified === undefined) throw notMounted("devices", "/linux/resources/devices");
  const at = "/linux/resources/devices";
  return [
    { op: "deviceProgram", cgroup: unified, program: deviceProgram(policy), beside: false, at, what: "device rules" },
  ];
}

function notMounted(controller: string, at: string): TsruncError {
  return new TsruncError("unsupported", `cgroup controller \`${controller}\` is not mounted`, {
    at,
    hint: `see /proc/cgroups for what the kernel has; mount -t cgroup -o ${controller} cgroup DIR`,
  });
}
