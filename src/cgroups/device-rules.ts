import { TsruncError } from "../errors.ts";
import type { DeviceRule } from "../spec/types.ts";
import { CoverIndex, RuleIndex } from "./device-index.ts";
import type { DeviceNode } from "./types.ts";

export const READ = 2;
export const WRITE = 4;
/** Values as in struct bpf_cgroup_dev_ctx. */
export const MKNOD = 1;
export const ALL = READ | WRITE | MKNOD;

/** A rule for one kind of device; -1 is every number. */
export interface PlainRule {
  readonly allow: boolean;
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  /** A sum of {@link READ}, {@link WRITE} and {@link MKNOD}. */
  readonly access: number;
  /** JSON pointer. */
  readonly at?: string;
}

/** What holds where no rule matches, and the rules, of which a later one wins over an earlier one. */
export interface DevicePolicy {
  readonly allow: boolean;
  readonly rules: readonly PlainRule[];
}

/**
 * The rules of a container: nothing is allowed, then `resources.devices` in their order, then the defaults.
 * A node of `linux.devices` in place of a default device, with other numbers, takes that device's rule away.
 */
export function devicePolicy(
  rules: readonly DeviceRule[] | undefined,
  nodes: readonly DeviceNode[] | undefined,
  base = "/linux/resources/devices",
): DevicePolicy {
  const plain = (rules ?? []).flatMap((rule, i) => plainRules(rule, `${base}/${i}`));
  return simplify([...plain, ...defaultRules(nodes ?? [])]);
}

/** `r`, `w` and `m` of a sum of access bits. */
export function accessLetters(access: number): string {
  return `${access & READ ? "r" : ""}${access & WRITE ? "w" : ""}${access & MKNOD ? "m" : ""}`;
}

function plainRules(rule: DeviceRule, at: string): readonly PlainRule[] {
  const access = accessBits(rule.access, at);
  const range = { allow: rule.allow, major: number(rule.major), minor: number(rule.minor), access, at };
  if (rule.type === "b" || rule.type === "c") return [{ ...range, type: rule.type }];
  if (rule.type !== undefined && rule.type !== "" && rule.type !== "a") {
    throw new TsruncError("config", `invalid cgroup device type \`${rule.type}\``, { at: `${at}/type` });
  }
  return [
    { ...range, type: "b" },
    { ...range, type: "c" },
  ];
}

function number(value: number | undefined): number {
  return value === undefined || value < 0 ? -1 : value;
}

function accessBits(text: string | undefined, at: string): number {
  // Optional; of `type`, `major` and `minor` the specification says that an unset value means all.
  if (text === undefined) return ALL;
  let bits = 0;
  for (const letter of text) bits |= letter === "r" ? READ : letter === "w" ? WRITE : letter === "m" ? MKNOD : 0;
  if (bits > 0) return bits;
  throw new TsruncError("config", "device access must be some of `r`, `w` and `m`", { at: `${at}/access` });
}

/**
 * What every container may do: make any node, use the devices that it finds in /dev, and open tun devices,
 * which Docker has allowed from its first days. The list is runc's.
 */
function defaultRules(nodes: readonly DeviceNode[]): readonly PlainRule[] {
  const rules: PlainRule[] = [];
  const add = (type: "b" | "c", major: number, minor: number, access = ALL, path?: string) => {
    const node = path === undefined ? undefined : nodes.find((candidate) => candidate.path === path);
    if (node && (node.type !== type || node.major !== major || node.minor !== minor)) return;
    rules.push({ allow: true, type, major, minor, access });
  };
  add("c", -1, -1, MKNOD);
  add("b", -1, -1, MKNOD);
  add("c", 1, 3, ALL, "/dev/null");
  add("c", 1, 8, ALL, "/dev/random");
  add("c", 1, 7, ALL, "/dev/full");
  add("c", 5, 0, ALL, "/dev/tty");
  add("c", 1, 5, ALL, "/dev/zero");
  add("c", 1, 9, ALL, "/dev/urandom");
  add("c", 136, -1); // /dev/pts
  add("c", 5, 2); // /dev/ptmx
  add("c", 10, 200); // /dev/net/tun
  return rules;
}

/** Starts at the last rule for everything, and joins or drops what of the rest says nothing new. */
function simplify(rules: readonly PlainRule[]): DevicePolicy {
  const start = rules.findLastIndex((rule, i) => isEverything(rule, rules[i - 1])) + 1;
  const allow = rules[start - 1]?.allow ?? false;
  const rest = rules.slice(start);
  // The list of nearly all containers: one default and exceptions from it, whose order does not matter.
  if (rest.every((rule) => rule.allow !== allow)) return { allow, rules: joinEqual(rest) };
  return { allow, rules: dropUseless(joinKept(rest), allow) };
}

/** Without rules that later ones override, and with those of the same numbers joined where no other stands between. */
function joinKept(rules: readonly PlainRule[]): readonly PlainRule[] {
  // From the last to the first.
  const kept: PlainRule[] = [];
  const covered = new CoverIndex();
  const [allowing, denying] = [new RuleIndex(), new RuleIndex()];
  const places = new Map<string, number>();
  for (let i = rules.length - 1; i >= 0; i--) {
    const rule = rules[i]!;
    if (covered.covers(rule)) continue;
    const key = `${rule.allow} ${rule.type} ${rule.major}:${rule.minor}`;
    const place = places.get(key);
    const [same, opposite] = rule.allow ? [allowing, denying] : [denying, allowing];
    const joins = place !== undefined && place > opposite.latestOverlap(rule);
    const at = joins ? place : kept.length;
    const held = joins ? { ...kept[at]!, access: kept[at]!.access | rule.access } : rule;
    kept[at] = held;
    places.set(key, at);
    covered.add(held);
    same.add(held, at);
  }
  return kept.reverse();
}

/** The two halves of a rule of type `a` for all numbers and all access. */
function isEverything(second: PlainRule, first: PlainRule | undefined): boolean {
  const whole = (rule: PlainRule) => rule.major < 0 && rule.minor < 0 && rule.access === ALL;
  return (
    first !== undefined && second.allow === first.allow && second.type !== first.type && whole(second) && whole(first)
  );
}

function joinEqual(rules: readonly PlainRule[]): readonly PlainRule[] {
  const joined = new Map<string, PlainRule>();
  for (const rule of rules) {
    const key = `${rule.type}${rule.major}:${rule.minor}`;
    const held = joined.get(key);
    joined.set(key, held === undefined ? rule : { ...held, access: held.access | rule.access });
  }
  return [...joined.values()];
}

/** Earliest rules that say what holds anyway, with no other rule before them that they correct. */
function dropUseless(rules: readonly PlainRule[], allow: boolean): readonly PlainRule[] {
  const kept: PlainRule[] = [];
  const others = new RuleIndex();
  for (const rule of rules) {
    if (rule.allow === allow && others.latestOverlap(rule) < 0) continue;
    if (rule.allow !== allow) others.add(rule, kept.length);
    kept.push(rule);
  }
  return kept;
}

/** Whether some access is named by both rules. */
export function overlap(a: PlainRule, b: PlainRule): boolean {
  const meets = (x: number, y: number) => x < 0 || y < 0 || x === y;
  return a.type === b.type && meets(a.major, b.major) && meets(a.minor, b.minor) && (a.access & b.access) !== 0;
}

/** Whether a rule names everything that another names. */
export function covers(a: PlainRule, b: PlainRule): boolean {
  const holds = (x: number, y: number) => x < 0 || x === y;
  return a.type === b.type && holds(a.major, b.major) && holds(a.minor, b.minor) && (b.access & ~a.access) === 0;
}
