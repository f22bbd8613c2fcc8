import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import { entrance } from "./birth.ts";
import { controllerOps } from "./controllers.ts";
import { deviceProgram } from "./device-program.ts";
import { devicePolicy } from "./device-rules.ts";
import { type CgroupFacts, type Hierarchy, unifiedControllers, words } from "./facts.ts";
import type { LimitContext } from "./limits.ts";
import { cpuset, cpuV2 } from "./limits-cpu.ts";
import { ioV2 } from "./limits-io.ts";
import { type HeldMemory, memoryV2 } from "./limits-memory.ts";
import { common, networkV2, unifiedV2 } from "./limits-other.ts";
import { cgroupDirectory, isMountRoot } from "./paths.ts";
import type { CgroupInput, CgroupPlan } from "./types.ts";
import { mayCreate, mkdirOp, refuseRoot } from "./usable.ts";

/** The v2 driver. */
export function planV2(input: CgroupInput, facts: CgroupFacts): CgroupPlan {
  const hierarchy = facts.v2;
  if (hierarchy === undefined) throw new TsruncError("unsupported", "cgroup v2 is not mounted");
  const directory = cgroupDirectory(hierarchy, input, "v2");
  if (isMountRoot(hierarchy, directory)) throw refuseRoot(input);
  const warnings: string[] = [];
  const limits: Op[] = [];
  const resources = input.resources ?? {};
  const host = facts.host;
  const available = unifiedControllers(facts);
  const needed = new Map<string, string>();
  const usable = !input.rootless || mayCreate(directory, input, host);
  limitsV2({
    resources,
    base: "/linux/resources",
    host,
    directory: (controller, at) => {
      if (!usable) throw rootlessLimits(directory, at);
      if (!isPseudo(controller) && !available.includes(controller)) throw unavailable(controller, hierarchy.mount, at);
      if (!isPseudo(controller) && !needed.has(controller)) needed.set(controller, at);
      return directory;
    },
    mount: () => hierarchy.mount,
    ops: limits,
    warnings,
  });
  const record = { version: "v2", manager: input.manager, paths: usable ? { "": directory } : {} } as const;
  if (!usable) return { prepare: [], attach: [], enter: [], record: { ...record, paths: {} }, warnings };
  const prepare: Op[] = [
    ...controllerOps(hierarchy, directory, available, needed, host, input.rootless),
    mkdirOp(directory, input.ownerUid),
    ...threadedOps(hierarchy, directory, needed, facts),
    ...limits,
    ...deviceOps(input, facts, directory),
    ...delegation(input, facts, directory).map(
      (path): Op => ({ op: "chown", path, uid: input.ownerUid ?? -1, gid: -1, ignore: ["ENOENT"], what: "cgroup" }),
    ),
  ];
  const way = entrance(directory, () => needed.has("cpuset"), host);
  return { prepare, ...way, attach: [], record, warnings };
}

/** What `update` must know of a cgroup that is in use. */
export interface HeldLimits {
  readonly memory: HeldMemory;
  readonly cpuMax: string | undefined;
  readonly cpuIdle: string | undefined;
}

/** The writes for all of `resources` but the devices. */
export function limitsV2(context: LimitContext, held?: () => HeldLimits): void {
  const { memory, cpu, blockIO } = context.resources;
  if (memory) memoryV2(context, memory, held?.().memory);
  common(context, "max");
  if (blockIO) ioV2(context, blockIO);
  if (cpu) cpuV2(context, cpu, held?.().cpuMax);
  if (cpu) cpuset(context, cpu);
  networkV2(context);
  unifiedV2(context);
}

/**
 * config-linux.md, "Cgroup ownership": beside the directory the files that the kernel lists, or the three that every
 * kernel has. Not all of them are in every cgroup.
 */
export function delegation(input: CgroupInput, { host }: CgroupFacts, directory: string): readonly string[] {
  if (input.ownerUid === undefined) return [];
  const listed = (host.read("/sys/kernel/cgroup/delegate") ?? "").split("\n").filter((file) => file !== "");
  const files = listed.length > 0 ? listed : ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
  return files.filter((file) => !file.includes("/")).map((file) => `${directory}/${file}`);
}

/** Files that every cgroup has without a controller. */
export function isPseudo(controller: string): boolean {
  return controller === "cgroup";
}

export function unavailable(controller: string, directory: string, at: string): TsruncError {
  return new TsruncError("unsupported", `cgroup controller \`${controller}\` is not available`, {
    at,
    hint: `\`${directory}/cgroup.controllers\` does not list it; remove the limit, or enable the controller there`,
  });
}

function rootlessLimits(directory: string, at: string): TsruncError {
  return new TsruncError(
    "io",
    `rootless needs no limits + no cgrouppath when no permission is granted for cgroups: mkdir \`${directory}\`: permission denied`,
    {
      at,
      errno: "EACCES",
      hint: "have a cgroup delegated to you, for example with systemd-run --user --scope -p Delegate=yes",
    },
  );
}

/**
 * Below a threaded cgroup a new one is "domain invalid" and takes no process; it may become threaded too, if no
 * controller is wanted that works on whole processes only (cgroups(7), "Thread mode").
 */
function threadedOps(
  hierarchy: Hierarchy,
  directory: string,
  needed: ReadonlyMap<string, string>,
  { host }: CgroupFacts,
): readonly Op[] {
  const parent = directory.slice(0, directory.lastIndexOf("/"));
  if (parent.length <= hierarchy.mount.length) return [];
  const type = words(host.read(`${parent}/cgroup.type`)).join(" ");
  if (type !== "threaded" && type !== "domain threaded" && type !== "domain invalid") return [];
  const domain = [...needed].find(([controller]) => !["cpu", "cpuset", "pids", "perf_event"].includes(controller));
  if (domain !== undefined) {
    throw new TsruncError("unsupported", `\`${parent}\` is ${type}: it cannot have the \`${domain[0]}\` controller`, {
      at: domain[1],
    });
  }
  return [{ op: "write", path: `${directory}/cgroup.type`, text: "threaded", flags: 0, ignore: [] }];
}

/** `beside`: the cgroup has a program of systemd's. */
export function deviceOps(input: CgroupInput, { host }: CgroupFacts, directory: string, beside = false): readonly Op[] {
  if (input.skipDevices ?? input.rootless) return [];
  const policy = devicePolicy(input.resources?.devices, input.devices);
  // Everything is allowed where there is no program, as far as the cgroups above allow it.
  if (policy.allow && policy.rules.length === 0 && !host.exists(directory)) return [];
  const at = "/linux/resources/devices";
  return [{ op: "deviceProgram", cgroup: directory, program: deviceProgram(policy), beside, at, what: "device rules" }];
}
