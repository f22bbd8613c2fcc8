/** JSON pointers (RFC 6901) and short renderings of values, for messages. */

/** `pointer("mounts", 3)` is `/mounts/3`; `~` and `/` inside of a part are escaped. */
export function pointer(...parts: readonly (string | number)[]): string {
  return parts.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The value a pointer names, `undefined` if there is none. */
export function resolvePointer(document: unknown, at: string): unknown {
  let value = document;
  for (const part of at.split("/").slice(1)) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string, unknown>)[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}

/** A value in few characters: `` `"4M"` ``, `` `-3` ``, `an object`, `a list of 4`, `nothing`. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (value !== null && typeof value === "object") return "an object";
  if (typeof value === "number" && !Number.isFinite(value)) return "a number beyond all limits";
  // Of a long text only the beginning is quoted: it may have many MB.
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : String(value);
  return text.length > 60 ? `\`${text.slice(0, 57)}…\`` : `\`${text}\``;
}
