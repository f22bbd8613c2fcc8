/** `linux.intelRdt`: groups of resctrl (config-linux.md, "IntelRdt"). */
import type { HostFiles } from "../cgroups/host.ts";
import { TsruncError } from "../errors.ts";
import { literal, type Op, PID } from "../program/ops.ts";
import type { IntelRdt } from "../spec/types.ts";
import { schemaConflict } from "./schemata.ts";
import type { MadeGroup, ResctrlPlan, ResctrlRecord } from "./types.ts";

const AT = "/linux/intelRdt";
/** Also tells the report that the kernel has more to say, see `resctrlHint` of init/report.ts. */
export const RESCTRL = "intelRdt";

export interface ResctrlInput {
  readonly rdt: IntelRdt;
  /** The container's id. */
  readonly id: string;
  /** Where resctrl is mounted. */
  readonly mount: string | undefined;
  readonly host: HostFiles;
}

/** @throws TsruncError `unsupported` without resctrl, `config` and `state` where a group is not as it must be */
export function planResctrl(input: ResctrlInput): ResctrlPlan {
  const { rdt, id } = input;
  const mount = input.mount ?? noMount();
  const { closID = "" } = rdt;
  const group = closID === "/" ? mount : `${mount}/${closID === "" ? id : closID}`;
  const lines = linesOf(rdt);
  const held = checkGroup(input, group, lines);
  const isNew = held === undefined;
  const prepare: Op[] = [];
  if (isNew) prepare.push(mkdirOp(group, closID !== ""));
  // All in one write: where the kernel finds one line wrong it takes none.
  if (lines.length > 0) prepare.push(schemataOp(group, `${lines.join("\n")}\n`));
  const monitor = rdt.enableMonitoring === true ? monitorGroup(input, group) : undefined;
  if (monitor !== undefined) prepare.push(mkdirOp(monitor, false));
  const groups = monitor === undefined ? [group] : [group, monitor];
  const own: MadeGroup[] = isNew && closID === "" ? [{ path: group }] : [];
  const made: MadeGroup[] = monitor === undefined ? own : [...own, { path: monitor }];
  const named: MadeGroup[] = isNew && closID !== "" ? [{ path: group, shared: true }] : [];
  return {
    prepare,
    restore: isNew || lines.length === 0 || held === "" ? [] : [{ ...schemataOp(group, held), quiet: true }],
    creating: { groups, made: [...named, ...made] },
    record: { groups, made },
  };
}

/** By the launcher, once the container's process exists; its children are born where it is. */
export function joinResctrlOps(record: Pick<ResctrlRecord, "groups"> | undefined): Op[] {
  return (record?.groups ?? []).map((group) => writeOp(`${group}/tasks`, PID));
}

/** What was made goes, last first. Of a group with monitoring groups the kernel takes those away too. */
export function removeResctrlOps(record: Pick<ResctrlRecord, "made"> | undefined): Op[] {
  return (record?.made ?? []).toReversed().map(({ path, shared }) => ({
    op: "rmdir",
    path,
    unless: shared === true ? `${path}/tasks` : undefined,
    ignore: ["ENOENT"],
    what: RESCTRL,
  }));
}

/** What goes to `schemata`, in the order that the specification wants. */
export function linesOf({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: IntelRdt): readonly string[] {
  return [l3CacheSchema, memBwSchema, ...schemata].filter((line) => line !== "");
}

export function schemataOp(group: string, text: string): Op {
  return writeOp(`${group}/schemata`, literal(text));
}

function writeOp(path: string, text: string): Op {
  return { op: "write", path, text, flags: 0, ignore: [], at: AT, what: RESCTRL };
}

/** @param existOk another create may make a group of that name meanwhile */
function mkdirOp(path: string, existOk: boolean): Op {
  return { op: "mkdir", path, mode: 0o755, parents: false, existOk, uid: -1, gid: -1, at: AT, what: RESCTRL };
}

function noMount(): never {
  throw new TsruncError("unsupported", "no resctrl file system is mounted", {
    at: AT,
    hint: "`mount -t resctrl resctrl /sys/fs/resctrl`; it needs a CPU with Intel RDT or AMD QoS",
  });
}

/** @returns the schemata of a group that is there, "" where they cannot be read; undefined where it is to be made */
function checkGroup(input: ResctrlInput, group: string, lines: readonly string[]): string | undefined {
  const { rdt, host, mount } = input;
  const { closID = "" } = rdt;
  if (!host.exists(group)) {
    if (closID === "" || lines.length > 0) return undefined;
    throw new TsruncError("config", `there is no group \`${closID}\` in \`${mount}\``, {
      at: `${AT}/closID`,
      hint: "it has to be there already, or `schemata` has to say what it may use",
    });
  }
  if (!host.exists(`${group}/tasks`)) {
    throw new TsruncError("config", `\`${group}\` is not a group of resctrl`, { at: `${AT}/closID` });
  }
  const held = host.read(`${group}/schemata`) ?? "";
  if (closID !== "") checkSchemas(input, held);
  return held;
}

/** A group that others made, and may use, is never changed by these two fields. */
function checkSchemas({ rdt, host, mount }: ResctrlInput, held: string): void {
  const step = host.read(`${mount}/info/MB/bandwidth_gran`);
  for (const field of ["l3CacheSchema", "memBwSchema"] as const) {
    const wanted = rdt[field] ?? "";
    const conflict = schemaConflict(wanted, held, step === undefined ? undefined : Number(step));
    if (conflict === undefined) continue;
    throw new TsruncError("state", `group \`${rdt.closID}\` is set to \`${conflict}\`, not to \`${wanted}\``, {
      at: `${AT}/${field}`,
      hint: "a group that is there is used as it is",
    });
  }
}

function monitorGroup({ id, host }: ResctrlInput, group: string): string {
  const monitor = `${group}/mon_groups/${id}`;
  if (!host.exists(monitor)) return monitor;
  throw new TsruncError("state", `monitoring group \`${monitor}\` exists already`, { at: `${AT}/enableMonitoring` });
}
