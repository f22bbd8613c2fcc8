/** update: new limits for a living container. */
import * as fs from "node:fs";
import * as path from "node:path";
import { readCgroupFacts } from "../cgroups/facts.ts";
import { expectPlan, rollbackPlan } from "../cgroups/rollback.ts";
import { stringifyStats } from "../cgroups/stats.ts";
import { updatePlan } from "../cgroups/update.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Program } from "../program/program.ts";
import { type Schemas, updateResctrlOps } from "../resctrl/update.ts";
import { readText } from "../spec/files.ts";
import { type LoadedResources, loadResources } from "../spec/load.ts";
import type { Resources } from "../spec/types-resources.ts";
import { type Context, tellContainer } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { UpdateOptions } from "./options.ts";
import { absolutePath } from "./paths.ts";
import type { StateRecord } from "./record.ts";
import { containerStatus } from "./state.ts";
import { containerDirectory } from "./store.ts";
import { resourcesOfFlags } from "./update-flags.ts";
import { whenCreated } from "./when-created.ts";

const STDIN = 0;

/**
 * Changes what is given and leaves the rest, device rules too, as it is. All or nothing: after a write that
 * fails those before it are taken back.
 *
 * @throws TsruncError `not-found`, `state` (stopped), `unsupported`
 */
export function updateContainer(
  context: Context,
  id: string,
  given: Resources,
  schemas: Schemas = {},
): number | Promise<number> {
  const root = path.resolve(context.root);
  return whenCreated(root, id, (record) => update(context, root, record, given, schemas));
}

function update(
  context: Context,
  root: string,
  record: StateRecord,
  given: Resources,
  schemas: Schemas,
): number | Promise<number> {
  const { id } = record;
  const resources = withoutKernelMemory(given, context);
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (status === "stopped" || status === "creating") {
    throw new TsruncError("state", `container not running: \`${id}\` is ${status}`);
  }
  const cgroup = record.cgroup ?? { version: "none", manager: "disabled", paths: {} };
  const { ops, tell, untell, warnings } = updatePlan(resources, cgroup, readCgroupFacts());
  for (const warning of warnings) context.log.warn(warning);
  const last = updateResctrlOps(schemas, record.resctrl);
  if (ops.length + last.length === 0) return 0;
  const directory = containerDirectory(root, id);
  const first: Op[] = [{ op: "lock", path: directory }, ...expectPlan(ops)];
  const program: Program = {
    launcher: [...first, ...ops, ...tell, ...last],
    init: [],
    cleanup: [...rollbackPlan(ops), ...(last.length > 0 ? untell : [])],
    cleanupFrom: first.length,
    keepFds: 0,
  };
  return context.perform(program, launchOptions(context, id));
}

/** What the command line asks for. @throws TsruncError `usage`, `config` (values), `io` */
export function wantedResources(context: Context, options: UpdateOptions): Resources {
  const { resources: file } = options;
  if (file === undefined) return resourcesOfFlags(options);
  // File descriptor 0 has no name that works everywhere: /dev/stdin cannot be opened where it is a socket.
  if (file === "-") return warned(context, loadResources(fs.readFileSync(STDIN, "utf8"), "stdin"));
  return warned(context, loadResources(readText(absolutePath(file, "flag `--resources`")), file));
}

/** The same checks for an object of a program's. @throws TsruncError `config` */
export function checkedResources(context: Context, resources: Resources): Resources {
  return warned(context, loadResources(stringifyStats(resources), "resources"));
}

function warned({ log }: Context, { resources, warnings }: LoadedResources): Resources {
  for (const warning of warnings) log.warn(warning);
  return resources;
}

/** Linux 5.16 has no limit on kernel memory any more; as in runc it is not changed on older ones either. */
function withoutKernelMemory(resources: Resources, context: Context): Resources {
  const { kernel, kernelTCP, ...memory } = resources.memory ?? {};
  if (!kernel && !kernelTCP) return resources;
  context.log.warn("kernel memory settings are ignored and will be removed");
  return { ...resources, memory };
}
