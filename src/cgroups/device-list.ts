import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import { accessLetters, covers, type DevicePolicy, overlap, type PlainRule } from "./device-rules.ts";
import { writeOp } from "./limits.ts";

const DEVICES = "/linux/resources/devices";

/**
 * The writes that bring a v1 devices cgroup to a policy (Documentation/admin-guide/cgroup-v1/devices.rst).
 * `fresh`: the directory is new, so it has its parent's list.
 */
export function deviceListOps(directory: string, policy: DevicePolicy, fresh: boolean): readonly Op[] {
  const exceptions = exceptionsOf(policy);
  const ops: Op[] = [];
  // A new cgroup under an open parent is open; under a restricted one the kernel would refuse to open it.
  if (!(policy.allow && fresh)) {
    ops.push(writeOp(`${directory}/devices.${policy.allow ? "allow" : "deny"}`, "a", DEVICES));
  }
  const file = `${directory}/devices.${policy.allow ? "deny" : "allow"}`;
  for (const rule of exceptions) ops.push(writeOp(file, line(rule), rule.at ?? DEVICES));
  return ops;
}

function line({ type, major, minor, access }: PlainRule): string {
  const name = (value: number) => (value < 0 ? "*" : value);
  return `${type} ${name(major)}:${name(minor)} ${accessLetters(access)}`;
}

/**
 * A v1 list is one default and a set of exceptions. A rule that takes a part out of a wildcard exception cannot
 * be told to the kernel, which would ignore it without a word; so it is an error, as in runc.
 */
function exceptionsOf({ allow, rules }: DevicePolicy): readonly PlainRule[] {
  const exceptions: Exceptions = { all: new Map(), byMajor: new Map(), byMinor: new Map() };
  for (const rule of rules) {
    if (rule.allow === allow) {
      withdraw(exceptions, rule);
      continue;
    }
    const key = `${rule.type} ${rule.major}:${rule.minor}`;
    const held = exceptions.all.get(key);
    exceptions.all.set(key, { ...rule, access: rule.access | (held?.access ?? 0) });
    note(exceptions.byMajor, `${rule.type} ${rule.major}`, key);
    note(exceptions.byMinor, `${rule.type} ${rule.minor}`, key);
  }
  return [...exceptions.all.values()];
}

/** By type and numbers; and the keys of those that have a number, so that a list of any length can be searched. */
interface Exceptions {
  readonly all: Map<string, PlainRule>;
  readonly byMajor: Map<string, Set<string>>;
  readonly byMinor: Map<string, Set<string>>;
}

function note(index: Map<string, Set<string>>, number: string, key: string): void {
  const keys = index.get(number);
  if (keys === undefined) index.set(number, new Set([key]));
  else keys.add(key);
}

/** Keys of all exceptions that may overlap with the rule. */
function candidates({ all, byMajor, byMinor }: Exceptions, { type, major, minor }: PlainRule): Iterable<string> {
  if (major >= 0 && minor >= 0)
    return [`${major}:${minor}`, `${major}:-1`, `-1:${minor}`, "-1:-1"].map((key) => `${type} ${key}`);
  if (major < 0 && minor < 0) return [...all.keys()];
  const [index, number] = major >= 0 ? [byMajor, major] : [byMinor, minor];
  return [...(index.get(`${type} ${number}`) ?? []), ...(index.get(`${type} -1`) ?? [])];
}

function withdraw(exceptions: Exceptions, rule: PlainRule): void {
  for (const key of candidates(exceptions, rule)) {
    const held = exceptions.all.get(key);
    if (held === undefined || !overlap(held, rule)) continue;
    if (!covers({ ...rule, access: held.access }, held)) throw hole(held, rule);
    const access = held.access & ~rule.access;
    if (access !== 0) {
      exceptions.all.set(key, { ...held, access });
      continue;
    }
    exceptions.all.delete(key);
    exceptions.byMajor.get(`${held.type} ${held.major}`)?.delete(key);
    exceptions.byMinor.get(`${held.type} ${held.minor}`)?.delete(key);
  }
}

function hole(held: PlainRule, rule: PlainRule): TsruncError {
  return new TsruncError(
    "unsupported",
    `device rule \`${line(rule)}\` would punch a hole in the wildcard rule \`${line(held)}\``,
    { at: rule.at, hint: "cgroup v1 cannot except a part of a wildcard rule; list the devices one by one" },
  );
}
