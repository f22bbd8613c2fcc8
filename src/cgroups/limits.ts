import { TsruncError } from "../errors.ts";
import type { Op, OpOf } from "../program/ops.ts";
import type { Resources } from "../spec/types.ts";
import type { HostFiles } from "./host.ts";

/** Where the writes of a plan go, and what it may look at while it decides on them. */
export interface LimitContext {
  readonly resources: Resources;
  /** JSON pointer of `resources` in the document it came from. */
  readonly base: string;
  readonly host: HostFiles;
  /** The container's directory in a controller's hierarchy; throws if there is none. */
  readonly directory: (controller: string, at: string) => string;
  /** A directory above the container's that exists, where the controller's files can be seen. */
  readonly mount: (controller: string) => string;
  readonly ops: Op[];
  readonly warnings: string[];
  /** io.weight of cgroup v2 for a weight of `blockIO`, where another scale than runc's is needed. */
  readonly ioWeight?: (weight: number) => number;
}

/** A write of one value to one file of a cgroup; one write(2), as these files want it. */
export function writeOp(
  path: string,
  text: string | number | bigint,
  at?: string,
  ignore: readonly string[] = [],
): OpOf<"write"> {
  const op = { op: "write", path, text: `${text}`, flags: 0, ignore } as const;
  return at === undefined ? op : { ...op, at, what: `\`${fieldName(at)}\`` };
}

/** Appends the write of a value for a part of `resources` (`/memory/limit`). */
export function put(
  context: LimitContext,
  field: string,
  file: string,
  value: string | number | bigint,
  ignore: readonly string[] = [],
): void {
  const at = context.base + field;
  const controller = file.slice(0, file.indexOf("."));
  context.ops.push(writeOp(`${context.directory(controller, at)}/${file}`, value, at, ignore));
}

/** What a file of the container's cgroup holds now; undefined while the cgroup does not exist. */
export function current(context: LimitContext, field: string, file: string): string | undefined {
  const controller = file.slice(0, file.indexOf("."));
  return context.host.read(`${context.directory(controller, context.base + field)}/${file}`)?.trim();
}

/** Fails for a setting that cgroup v2 has no counterpart for (config-linux.md, "Unified": it must be an error). */
export function refuseOnV2(context: LimitContext, field: string, set: boolean): void {
  if (!set) return;
  const at = context.base + field;
  throw new TsruncError("unsupported", `\`${fieldName(at)}\` cannot be set on cgroup v2`, {
    at,
    hint: "remove it, or boot with systemd.unified_cgroup_hierarchy=0 for cgroup v1",
  });
}

/** The op that enters a container's process into a v1 cgroup. */
export function attachOp(directory: string): Op {
  return { op: "attach", path: `${directory}/cgroup.procs`, ignore: [], what: "cgroup" };
}

/** The op by which a process enters a v1 cgroup itself: 0 in `tasks` is the thread that writes. */
export function enterOp(directory: string): Op {
  return { ...writeOp(`${directory}/tasks`, 0), what: "cgroup" };
}

function fieldName(at: string): string {
  return at.slice(1).split("/").join(".");
}

/** A JSON pointer's token. */
export function token(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
