/** What of a configuration is not as in the smallest one: the part that a case is about. */
import { baseSpec, type Spec } from "./spec.ts";

type Json = unknown;

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function same(a: Json, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Members of `value` that `base` has not, or has otherwise. Arrays are told whole, but for items that begin as the base's do. */
function difference(value: Json, base: Json): Json {
  if (isObject(value) && isObject(base)) {
    const entries = Object.entries(value)
      .filter(([key, item]) => !same(item, base[key]))
      .map(([key, item]) => [key, difference(item, base[key])] as const);
    const gone = Object.keys(base).filter((key) => !(key in value));
    return Object.fromEntries([...entries, ...gone.map((key) => [key, null] as const)]);
  }
  if (Array.isArray(value) && Array.isArray(base) && base.length > 0 && same(value.slice(0, base.length), base))
    return ["…", ...value.slice(base.length)];
  return value;
}

/** Null stands for what was taken away, "…" for items as before. */
export function fragment(spec: Spec): Record<string, Json> {
  return difference(spec, baseSpec()) as Record<string, Json>;
}
