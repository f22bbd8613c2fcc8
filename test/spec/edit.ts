/** A valid spec, and changes to it by JSON pointer. */
import { defaultSpec } from "../../src/spec/defaults.ts";
import type { Spec } from "../../src/spec/types.ts";

export type Edits = Readonly<Record<string, unknown>>;

/** The default spec with each pointer set to its value; `undefined` removes, missing objects on the way are made. */
export function editedText(edits: Edits, base: Spec = defaultSpec()): string {
  const document = JSON.parse(JSON.stringify(base)) as Record<string, unknown>;
  for (const [at, value] of Object.entries(edits)) edit(document, at, value);
  // A bigint stands for an integer literal that JSON.stringify could not write.
  return JSON.stringify(document, (_key, value) => (typeof value === "bigint" ? `@@${value}@@` : value)).replaceAll(
    /"@@(-?\d+)@@"/g,
    "$1",
  );
}

function edit(document: Record<string, unknown>, at: string, value: unknown): void {
  const parts = at
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = parts.pop() ?? "";
  let node = document;
  for (const part of parts) {
    node[part] ??= {};
    node = node[part] as Record<string, unknown>;
  }
  if (value === undefined) delete node[last];
  else node[last] = value;
}
