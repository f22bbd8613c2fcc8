/** update: new limits for a living container. */
import * as fs from "node:fs";
import * as path from "node:path";
import { readCgroupFacts } from "../cgroups/facts.ts";
import { expectPlan, rollbackPlan } from "../cgroups/rollback.ts";
import { updatePlan } from "../cgroups/update.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import type { Program } from "../program/program.ts";
import { readText } from "../spec/files.ts";
import { loadResources } from "../spec/load.ts";
import type { Resources } from "../spec/types-resources.ts";
import type { Context } from "./context.ts";
import { launchOptions } from "./launch-options.ts";
import type { UpdateOptions } from "./options.ts";
import { absolutePath } from "./paths.ts";
import { containerStatus } from "./state.ts";
import { containerDirectory, LOCK_FILE, loadState } from "./store.ts";
import { resourcesOfFlags } from "./update-flags.ts";

const STDIN = 0;

/**
 * Changes what was given and leaves the rest, device rules too, as it is. All or nothing: after a write that
 * fails those before it are taken back.
 *
 * @throws TsruncError `not-found`, `state` (stopped), `usage`, `config` (values), `unsupported`
 */
export function updateContainer(context: Context, options: UpdateOptions): number | Promise<number> {
  const root = path.resolve(context.root);
  const record = loadState(root, options.id);
  const resources = wantedResources(context, options);
  const status = containerStatus(root, record);
  if (status === "stopped" || status === "creating") {
    throw new TsruncError("state", `container not running: \`${options.id}\` is ${status}`);
  }
  const cgroup = record.cgroup ?? { version: "none", manager: "disabled", paths: {} };
  const { ops, warnings } = updatePlan(resources, cgroup, readCgroupFacts());
  for (const warning of warnings) context.log.warn(warning);
  if (ops.length === 0) return 0;
  const directory = containerDirectory(root, options.id);
  const first: Op[] = [{ op: "lock", path: path.join(directory, LOCK_FILE) }, ...expectPlan(ops)];
  const program: Program = {
    launcher: [...first, ...ops],
    init: [],
    cleanup: rollbackPlan(ops),
    cleanupFrom: first.length,
    keepFds: 0,
  };
  return context.perform(program, launchOptions(context, directory));
}

function wantedResources(context: Context, options: UpdateOptions): Resources {
  refuseRdt(options);
  const { resources: file } = options;
  // File descriptor 0 has no name that works everywhere: /dev/stdin cannot be opened where it is a socket.
  const text =
    file === undefined
      ? ""
      : file === "-"
        ? fs.readFileSync(STDIN, "utf8")
        : readText(absolutePath(file, "flag `--resources`"));
  const resources = file === undefined ? resourcesOfFlags(options) : loadResources(text, nameOf(file));
  return withoutKernelMemory(resources, context);
}

function nameOf(file: string): string {
  return file === "-" ? "stdin" : file;
}

/** Linux 5.16 has no limit on kernel memory any more; as in runc it is not changed on older ones either. */
function withoutKernelMemory(resources: Resources, context: Context): Resources {
  const { kernel, kernelTCP, ...memory } = resources.memory ?? {};
  if (!kernel && !kernelTCP) return resources;
  context.log.warn("kernel memory settings are ignored and will be removed");
  return { ...resources, memory };
}

/** Not supported by this runtime; in runc's words, which tests of engines know. */
function refuseRdt({ l3CacheSchema, memBwSchema }: UpdateOptions): void {
  const missing = (what: string) => {
    const hint = "this runtime does not support Intel RDT";
    return new TsruncError("unsupported", `Intel RDT/${what} is not enabled`, { hint });
  };
  if (l3CacheSchema !== undefined) throw missing("CAT: l3 cache schema");
  if (memBwSchema !== undefined) throw missing("MBA: memory bandwidth schema");
}
