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
  const exceptions = new Map<string, PlainRule>();
  for (const rule of rules) {
    if (rule.allow === allow) {
      withdraw(exceptions, rule);
      continue;
    }
    const key = `${rule.type} ${rule.major}:${rule.minor}`;
    exceptions.set(key, { ...rule, access: rule.access | (exceptions.get(key)?.access ?? 0) });
  }
  return [...exceptions.values()];
}

function withdraw(exceptions: Map<string, PlainRule>, rule: PlainRule): void {
  for (const [key, held] of exceptions) {
    if (!overlap(held, rule)) continue;
    if (!covers({ ...rule, access: held.access }, held)) throw hole(held, rule);
    const access = held.access & ~rule.access;
    if (access === 0) exceptions.delete(key);
    else exceptions.set(key, { ...held, access });
  }
}

function hole(held: PlainRule, rule: PlainRule): TsruncError {
  return new TsruncError(
    "unsupported",
    `device rule \`${line(rule)}\` would punch a hole in the wildcard rule \`${line(held)}\``,
    { at: rule.at, hint: "cgroup v1 cannot except a part of a wildcard rule; list the devices one by one" },
  );
}
