/** The schemas as tests use them: what places a document has, and documents that are right. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
}

/** A schema that is no reference, and the file that its references are relative to. */
export interface Node {
  readonly schema: Schema;
  readonly file: string;
}

const FOLDER = path.join(import.meta.dir, "../../schemas");
const FILES: ReadonlyMap<string, Schema> = new Map(
  readdirSync(FOLDER).map((name) => [name, JSON.parse(readFileSync(path.join(FOLDER, name), "utf8")) as Schema]),
);

export function schemaOf(file: string): Node {
  return resolved(FILES.get(file)!, file);
}

export function resolved(schema: Schema, file: string): Node {
  if (schema.$ref === undefined) return { schema, file };
  const [name = "", at = ""] = schema.$ref.split("#");
  const target = name === "" ? file : name;
  let found = FILES.get(target) as unknown as Record<string, unknown>;
  for (const part of at.split("/").slice(1)) found = found[part] as Record<string, unknown>;
  return resolved(found as Schema, target);
}

export function property(node: Node, name: string): Node | undefined {
  const schema = node.schema.properties?.[name];
  if (schema !== undefined) return resolved(schema, node.file);
  const { additionalProperties: other } = node.schema;
  return typeof other === "object" ? resolved(other, node.file) : undefined;
}

export function item(node: Node): Node | undefined {
  return node.schema.items === undefined ? undefined : resolved(node.schema.items, node.file);
}

/** A place of a document; in its pointer `0` stands for any entry of a list and `*` for any name of a map. */
export interface Place {
  readonly at: string;
  readonly node: Node;
}

/** All places below a schema, itself first. */
export function placesOf(node: Node, at = ""): readonly Place[] {
  const below: Place[] = [{ at, node }];
  const entry = item(node);
  if (entry !== undefined) below.push(...placesOf(entry, `${at}/0`));
  for (const name of Object.keys(node.schema.properties ?? {})) {
    below.push(...placesOf(property(node, name)!, `${at}/${name}`));
  }
  if (typeof node.schema.additionalProperties === "object") below.push(...placesOf(property(node, "*")!, `${at}/*`));
  return below;
}

/** The smallest value that is right. */
export function smallest(node: Node): unknown {
  const { schema } = node;
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case "object":
      return Object.fromEntries((schema.required ?? []).map((name) => [name, smallest(property(node, name)!)]));
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => smallest(item(node)!));
    case "string":
      return "/".repeat(schema.minLength ?? 0);
    case "integer":
      return Math.max(schema.minimum ?? 0, 0);
    default:
      return false;
  }
}

/**
 * The smallest document that has `value` at `at`, as a text: a marker stands for the value, for a number may be one that
 * no value of JavaScript is.
 */
export function documentWith(root: Node, at: string, literal: string): string {
  const marker = "the value goes here";
  const put = (node: Node, parts: readonly string[]): unknown => {
    const [part, ...rest] = parts;
    if (part === undefined) return marker;
    if (node.schema.items !== undefined) return [put(item(node)!, rest)];
    return { ...(smallest(node) as object), [part]: put(property(node, part)!, rest) };
  };
  return JSON.stringify(put(root, at.split("/").slice(1))).replace(JSON.stringify(marker), () => literal);
}
