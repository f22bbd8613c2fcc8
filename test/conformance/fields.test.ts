/** Every field of the schemas, for Linux, has a case that proves its effect, or the reason why none can. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import path from "node:path";

const CHECKOUT = path.resolve(import.meta.dirname, "../..");

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

function load(file: string): Schema {
  return JSON.parse(readFileSync(path.join(CHECKOUT, "schemas", file), "utf8")) as Schema;
}

function follow(reference: string, file: string): [schema: Schema, file: string] {
  const [name = "", pointer = ""] = reference.split("#");
  const target = name === "" ? file : path.basename(name);
  const found = pointer
    .split("/")
    .filter((key) => key !== "")
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], load(target));
  return [found as Schema, target];
}

/** Pointers of all fields; `*` stands for items and for names that are data. */
function fieldsOf(schema: Schema, file: string, at = ""): readonly string[] {
  const below = (part: Schema | undefined, key: string) =>
    part === undefined ? [] : fieldsOf(part, file, `${at}/${key}`);
  const referred = schema.$ref === undefined ? [] : fieldsOf(...follow(schema.$ref, file), at);
  const parts = [...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  const { additionalProperties: rest } = schema;
  return [
    ...referred,
    ...parts.flatMap((part) => fieldsOf(part, file, at)),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, part]) => [`${at}/${key}`, ...below(part, key)]),
    ...below(schema.items, "*"),
    ...Object.values(schema.patternProperties ?? {}).flatMap((part) => below(part, "*")),
    ...(typeof rest === "object" ? below(rest, "*") : []),
  ];
}

const OTHER_PLATFORMS = /^\/(solaris|windows|vm|zos|freebsd|process\/commandLine)(\/|$)/;

function leaves(): readonly string[] {
  const all = [...new Set(fieldsOf(load("config.schema.json"), "config.schema.json"))];
  return all.filter((field) => !OTHER_PLATFORMS.test(field) && !all.some((other) => other.startsWith(`${field}/`)));
}

const rows = JSON.parse(readFileSync(path.join(CHECKOUT, "conformance/fields.json"), "utf8")) as Record<
  string,
  { readonly cases?: readonly string[]; readonly unobservable?: string }
>;

test("every field has a row, and every row a field", () => {
  expect(Object.keys(rows).toSorted()).toEqual([...leaves()].toSorted());
});

test("a row has cases, or the reason why there can be none", () => {
  expect(
    Object.entries(rows).filter(([, row]) => (row.cases === undefined) === (row.unobservable === undefined)),
  ).toEqual([]);
});
