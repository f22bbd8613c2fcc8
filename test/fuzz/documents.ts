/** Documents made from the schemas: right ones, nearly right ones, and their texts with damage. All from a seed. */
import { createRandom, type Random } from "../seccomp/generate.ts";
import { item, type Node, property, smallest } from "./schema.ts";

const TEXTS: readonly string[] = [
  "", "/", "//", "/.", "/..", "/a/../b", "a", "/proc", "/dev", "/dev/null", "/sys/fs/cgroup", "../../x", "x".repeat(300),
  "ü𝄞", "\ud800", "\u0000", "a\u0000b", "\u0001", "\u0001p", "\u0001s\u0001", "\n", "a\nb", " ", "%s%n", "`x`", "'", '"', "\\",
  "__proto__", "constructor", "toString", "0", "-1", "4294967296", "9".repeat(400), "1e400", "0-3,7", "7-0", "0-65535", "max",
  "true", "CAP_SYS_ADMIN", "cap_kill", "RLIMIT_NOFILE", "PATH=/bin:", "HOME=", "=x", "rbind", "ro,rw", "mode=1777,size=1k",
  "rshared", "idmap", "tmpfs", "bind", "proc", "cgroup", "cgroup2", "mqueue", "user", "pid", "network", "net.ipv4.ip_forward",
  "kernel.shmmax", "a:b:c", "system.slice:x:y", "memory.max", "cpu.max", "100000 100000", "L3:0=f", "MB:0=10", "2MB", "lo",
]; // biome-ignore format: a table

/** As they stand in a text. */
const NUMBERS: readonly string[] = [
  "0", "-0", "1", "-1", "7", "255", "256", "340", "511", "65535", "65536", "2147483647", "2147483648", "4294967294", "4294967295",
  "4294967296", "9007199254740991", "9007199254740992", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
  "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e3", "1e19", "1e400", "0.5", "1.0", "-1e-9", "9".repeat(70),
]; // biome-ignore format: a table

/** A number of the text that no value of JavaScript is: put in when the document becomes a text. */
class Literal {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const MARK = "\uE000literal:";

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

/** Anything that JSON can say. */
function anything(random: Random, depth = 0): unknown {
  switch (random(depth > 3 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
    case 3:
      return new Literal(pick(random, NUMBERS));
    case 4:
      return pick(random, TEXTS);
    case 5:
      return Array.from({ length: random(4) }, () => anything(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random(4) }, () => [pick(random, TEXTS), anything(random, depth + 1)]),
      );
  }
}

function integer(random: Random, { minimum = 0, maximum = 0 }: Node["schema"]): unknown {
  if (random(4) === 0) return new Literal(pick(random, NUMBERS));
  if (random(4) === 0) return pick(random, [minimum, Math.min(maximum, Number.MAX_SAFE_INTEGER)]);
  return Math.max(minimum, Math.min(maximum, random(20)));
}

function text(random: Random, at: string): string {
  if (random(3) > 0) return pick(random, TEXTS);
  return /path|source|destination|cwd|bundle|rootfs/i.test(at)
    ? `/${"abc"[random(3)]}/x`
    : pick(random, ["a", "b", "x.y"]);
}

/** A value for a place: of its type, but for one in `strange`. */
export function arbitrary(random: Random, node: Node, strange: number, at = "", depth = 0): unknown {
  const { schema } = node;
  if (random(strange) === 0) return anything(random);
  if (schema.enum !== undefined) return random(30) === 0 ? pick(random, TEXTS) : pick(random, schema.enum);
  if (schema.items !== undefined) {
    const length = random(12) === 0 ? random(12) : random(3) + (schema.minItems ?? 0);
    return Array.from({ length }, () => arbitrary(random, item(node)!, strange, at, depth + 1));
  }
  if (schema.type === "string") return text(random, at);
  if (schema.type === "boolean") return random(2) === 0;
  if (schema.type === "integer") return integer(random, schema);
  const names = Object.keys(schema.properties ?? {}).filter(
    (name) => schema.required?.includes(name) || random(3) === 0,
  );
  if (typeof schema.additionalProperties === "object")
    for (let n = random(3); n > 0; n--) names.push(pick(random, TEXTS));
  return Object.fromEntries(
    names.map((name) => [name, arbitrary(random, property(node, name) ?? node, strange, name, depth + 1)]),
  );
}

/** Changes some places of a right document to others of their types, or to anything; the more `rare`, the fewer. */
function vary(random: Random, value: unknown, node: Node, rare: number, at = ""): unknown {
  if (random(25 * rare) === 0) return arbitrary(random, node, 12, at);
  if (Array.isArray(value) && node.schema.items !== undefined) {
    const entries = value.map((entry) => vary(random, entry, item(node)!, rare, at));
    if (random(10 * rare) === 0) entries.push(arbitrary(random, item(node)!, 20, at));
    if (random(15 * rare) === 0 && entries.length > 0) entries.push(entries[random(entries.length)]);
    return random(25 * rare) === 0 ? entries.slice(1) : entries;
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const changed: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const below = property(node, name);
    if (random(40 * rare) > 0) changed[name] = below === undefined ? field : vary(random, field, below, rare, name);
  }
  const known = Object.keys(node.schema.properties ?? {});
  if (random(6 * rare) === 0 && known.length > 0) {
    const name = pick(random, known);
    changed[name] = arbitrary(random, property(node, name)!, 30 * rare, name);
  }
  if (random(40 * rare) === 0) changed[pick(random, TEXTS)] = anything(random);
  return changed;
}

function textOf(value: unknown): string {
  const json =
    JSON.stringify(value, (_, field: unknown) => (field instanceof Literal ? `${MARK}${field.text}` : field)) ?? "null";
  return json.replaceAll(new RegExp(`"${MARK}([^"]*)"`, "g"), "$1");
}

function damage(random: Random, json: string): string {
  const at = random(json.length + 1);
  switch (random(5)) {
    case 0:
      return json.slice(0, at);
    case 1:
      return (
        json.slice(0, at) +
        pick(random, ["[", "{", '"', "\\", "\u0000", "\ufeff", "1e", "-", "nul", ",", "\n"]) +
        json.slice(at)
      );
    case 2:
      return json.slice(0, at) + json.slice(at + 1 + random(20));
    case 3:
      return json.slice(0, at) + json.slice(random(json.length)) + json.slice(at);
    default:
      return json.replaceAll(",", pick(random, [" ,\n", ",\t", ", "]));
  }
}

/** The text of one case: `seeds` are right documents to start from. */
export function makeText(seed: number, root: Node, seeds: readonly unknown[]): string {
  const random = createRandom(seed);
  for (let warm = 0; warm < 8; warm++) random(2);
  const kind = random(10);
  let value: unknown;
  if (kind === 0) value = arbitrary(random, root, 12);
  else if (kind === 1) value = arbitrary(random, root, 1000);
  else
    value = vary(random, seeds.length === 0 ? smallest(root) : pick(random, seeds), root, pick(random, [1, 3, 10, 30]));
  const json = textOf(value);
  return random(12) === 0 ? damage(random, json) : json;
}
