/** Device rules as properties of a unit (systemd.resource-control(5), "DeviceAllow="). Pure. */
import { accessLetters, type DevicePolicy, type PlainRule } from "../device-rules.ts";
import type { Property } from "./collect.ts";

const AT = "/linux/resources/devices";

/**
 * What systemd is told of the rules. Its own program stands beside ours and an access needs the word of both, so its list
 * allows all that ours does and, where it cannot be said more narrowly, more: it knows of no rule that denies, and of none for
 * one minor number of every major one. Where everything is allowed, but for exceptions, it is told nothing.
 */
export function deviceProperties({ allow, rules }: DevicePolicy): readonly Property[] {
  if (allow) return [];
  const letters = new Map<string, number>();
  for (const rule of rules) {
    if (rule.allow) letters.set(pattern(rule), (letters.get(pattern(rule)) ?? 0) | rule.access);
  }
  return [
    { name: "DevicePolicy", type: "s", value: "strict", at: AT },
    {
      name: "DeviceAllow",
      type: "a(ss)",
      value: [...letters].map(([path, access]) => [path, accessLetters(access)]),
      at: AT,
    },
  ];
}

/** Numbers of devices need no node (systemd 240). */
function pattern({ type, major, minor }: PlainRule): string {
  const kind = type === "b" ? "block" : "char";
  if (major < 0) return `${kind}-*`;
  return minor < 0 ? `${kind}-${major}` : `/dev/${kind}/${major}:${minor}`;
}
