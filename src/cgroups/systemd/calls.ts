/** The calls by which a container's unit is started, changed and stopped (org.freedesktop.systemd1(5)), as ops. */
import { concatenated, type MethodCall, methodCall, type Value } from "../../dbus/marshal.ts";
import { type Op, type OpOf, PID_PLACE } from "../../program/ops.ts";
import { type BusAddress, socketsOf } from "./addresses.ts";
import type { Property } from "./collect.ts";

/** Where a container's unit is, for as long as the container is. */
export interface UnitRecord {
  readonly unit: string;
  readonly addresses: readonly BusAddress[];
  /** A file that is there while systemd knows the unit; "" where that is not known. */
  readonly file: string;
}

/** What is kept of a unit. */
export function unitRecord(
  { addresses, transient }: { readonly addresses: readonly BusAddress[]; readonly transient: string },
  unit: string,
): UnitRecord {
  return { unit, addresses, file: transient === "" ? "" : `${transient}/${unit}` };
}

const MANAGER = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
} as const;
const MESSAGE_BUS = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

/** How long an answer, and then the end of a job, may take. */
const TIMEOUT_MS = 25_000;
/** How long a unit of the same name may take to go away, and a manager to be executed anew. */
const PATIENCE_MS = 10_000;

const UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";
/**
 * What passes by itself: too many connections or answers under way, a manager that is just executed anew, jobs of others
 * that are in the way.
 */
const PASSING = [
  "org.freedesktop.DBus.Error.LimitsExceeded",
  "org.freedesktop.DBus.Error.ServiceUnknown",
  "org.freedesktop.DBus.Error.NameHasNoOwner",
  "org.freedesktop.DBus.Error.Spawn.ChildExited",
  "org.freedesktop.systemd1.TransactionIsDestructive",
] as const;
/** What a message bus answers when the manager went while it had the call. */
const UNHEARD = ["org.freedesktop.DBus.Error.NoReply"] as const;
/** How a manager refuses a property that it does not know, or a value of it that came later. */
const UNKNOWN = [
  "org.freedesktop.DBus.Error.PropertyReadOnly",
  "org.freedesktop.DBus.Error.UnknownProperty",
  "org.freedesktop.DBus.Error.InvalidArgs",
] as const;

/**
 * Starts a scope around the container's process. A failed unit of the name, which a former container left, is reset; one
 * that is about to go is waited for.
 */
export function startOp(record: UnitRecord, properties: readonly Property[]): OpOf<"busCall"> {
  const { unit } = record;
  const calls = variants(properties).map((list) =>
    managerCall("StartTransientUnit", "ssa(sv)a(sa(sv))", [unit, "fail", [PIDS, ...list.map(named)], []]),
  );
  return {
    ...call(record, calls, true),
    pidAt: pidPlace(calls[0]),
    retry: [UNIT_EXISTS, ...PASSING],
    before: managerCall("ResetFailedUnit", "s", [unit]),
    // The process itself tells afterwards whether the unit is its own.
    settled: [UNIT_EXISTS],
    at: "/linux/cgroupsPath",
    what: `start unit \`${unit}\``,
    origins: originsOf(properties),
  };
}

/** Changes properties of a unit, until it is stopped. */
export function setOp(record: UnitRecord, properties: readonly Property[]): OpOf<"busCall"> {
  const calls = variants(properties).map((list) =>
    managerCall("SetUnitProperties", "sba(sv)", [record.unit, true, list.map(named)]),
  );
  return {
    ...call(record, calls, false),
    what: `change unit \`${record.unit}\``,
    origins: originsOf(properties),
  };
}

/**
 * Stops a unit whose processes are gone, so that its name is free at once, and forgets that it failed, also that it did
 * so while it was stopped. systemd removes the file of a transient unit with the unit, so nothing is called where it was
 * quicker.
 */
export function stopOp(record: UnitRecord): OpOf<"busCall"> {
  const { unit, file } = record;
  const forget = managerCall("ResetFailedUnit", "s", [unit]);
  return {
    ...call(record, [managerCall("StopUnit", "ss", [unit, "replace"])], true),
    ahead: forget,
    ignore: [NO_SUCH_UNIT],
    after: forget,
    file: file === "" ? undefined : file,
    warn: true,
    what: `stop unit \`${unit}\``,
  };
}

/** Fails where the process is not in the cgroup that later verbs rely on. `line`: the end of a line of /proc/PID/cgroup. */
export function placeOp(line: string): Op {
  return { op: "inCgroup", line, at: "/linux/cgroupsPath", what: "systemd" };
}

const NOTHING = new Uint8Array(0);
const PIDS: Value = ["PIDs", { signature: "au", value: [PID_PLACE] }];

function call({ unit, addresses }: UnitRecord, calls: readonly Uint8Array[], job: boolean): OpOf<"busCall"> {
  return {
    op: "busCall",
    ...socketsOf(addresses),
    greeting: concatenated(greeting(job ? unit : undefined)),
    ahead: NOTHING,
    call: concatenated(calls),
    pidAt: -1,
    otherwise: calls.length > 1 ? UNKNOWN : [],
    ignore: [],
    unheard: UNHEARD,
    settled: [],
    retry: PASSING,
    retryMs: PATIENCE_MS,
    before: NOTHING,
    job: job ? unit : undefined,
    after: NOTHING,
    file: undefined,
    timeoutMs: TIMEOUT_MS,
    warn: false,
  };
}

/**
 * What a message bus has to be told first: who we are, and that the ends of the unit's jobs are for us. The manager sends
 * those to whoever made a job, without `Subscribe`.
 */
function greeting(unit: string | undefined): Uint8Array[] {
  const hello = methodCall({ ...MESSAGE_BUS, member: "Hello", signature: "", body: [] });
  if (unit === undefined) return [hello];
  const { destination, path } = MANAGER;
  const rule = `type='signal',sender='${destination}',path='${path}',interface='${MANAGER.interface}',member='JobRemoved',arg2='${unit}'`;
  return [hello, methodCall({ ...MESSAGE_BUS, member: "AddMatch", signature: "s", body: [rule] })];
}

function managerCall(member: string, signature: string, body: MethodCall["body"]): Uint8Array {
  return methodCall({ ...MANAGER, member, signature, body });
}

function named({ name, type, value }: Property): Value {
  return [name, { signature: type, value }];
}

/** All properties, then without those of the newest version, and so on: for managers that do not know them. */
function variants(properties: readonly Property[]): (readonly Property[])[] {
  const versions = [...new Set(properties.flatMap(({ since }) => since ?? []))].sort((a, b) => b - a);
  return [properties, ...versions.map((version) => properties.filter(({ since = 0 }) => since < version))];
}

/** It is the same in all variants: what comes before it is. */
function pidPlace(message: Uint8Array | undefined): number {
  for (let at = 0; message !== undefined && at + 4 <= message.length; at++) {
    if (message.subarray(at, at + 4).every((byte) => byte === 0xff)) return at;
  }
  throw new RangeError("the call has no place for a pid");
}

function originsOf(properties: readonly Property[]): Readonly<Record<string, string>> {
  return Object.fromEntries(properties.flatMap(({ name, at }) => (at === undefined ? [] : [[name, at]])));
}
