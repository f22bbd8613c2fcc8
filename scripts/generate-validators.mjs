/**
 * Turns schemas/*.schema.json into src/generated/validate.js, plain functions without dependencies.
 *
 * ajv is only a build tool: compiling the schemas at run time costs 30 ms, loading what this writes under one.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { _, Ajv } from "ajv";
import standalone from "ajv/dist/standalone/index.js";

const here = dirname(fileURLToPath(import.meta.url));
const schemaDir = join(here, "../schemas");
const outDir = join(here, "../src/generated");

/** Exported name → schema. */
const VALIDATORS = {
  validateConfig: "config.schema.json",
  validateProcess: "process.schema.json",
  validateResources: "resources.schema.json",
  validateState: "state.schema.json",
  validateFeatures: "features.schema.json",
};

/** Exported name → schema whose property names it holds. */
const NAMES = {
  configNames: "config.schema.json",
  processNames: "process.schema.json",
  resourcesNames: "resources.schema.json",
};

const DECLARATIONS = `/** Made by scripts/generate-validators.mjs. */
export interface SchemaError {
  /** JSON pointer of the value. */
  readonly at: string;
  readonly keyword: "type" | "range" | "enum" | "required" | "minLength" | "minItems";
  /** What the keyword asks for: type names, both limits as \`"0 7"\`, values, the name of the property, a length. */
  readonly wanted: unknown;
}
/** Sets \`errors\`, with every problem at once, when it returns false. */
export interface Validator {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}
${Object.keys(VALIDATORS)
  .map((name) => `export declare const ${name}: Validator;\n`)
  .join("")}/**
 * The names that a document knows, without prototype: each with those of its value (of a list's items), or 0 where there
 * are none. \`*\` stands for all names of a map.
 */
export interface Names {
  readonly [name: string]: Names | 0;
}
${Object.keys(NAMES)
  .map((name) => `export declare const ${name}: Names;\n`)
  .join("")}`;

const HELPERS = `
function fail(errors,at,keyword,wanted){(errors??=[]).push({at,keyword,wanted});return errors;}
function join(errors,more){if(errors===null)return more;for(const error of more)errors.push(error);return errors;}
function part(key){return key.replace(/~/g,"~0").replace(/\\//g,"~1");}
`;
/** Without prose, and with `range` for integers and their limits, so that a wrong one is reported once. */
function slim(node) {
  if (Array.isArray(node)) return node.map(slim);
  if (node === null || typeof node !== "object") return node;
  if (node.type === "integer") return { range: limits(node) };
  const out = {};
  for (const [key, value] of Object.entries(node)) {
    const isProse = (key === "title" || key === "description") && typeof value === "string";
    if (!isProse && key !== "$schema") out[key] = slim(value);
  }
  return out;
}

function limits({ minimum, maximum, title }) {
  if (minimum === undefined || maximum === undefined) throw new Error(`integer without limits: ${title}`);
  // Limits beyond 2^53 are those of 64-bit integers, which JSON.parse has rounded here.
  if (maximum > Number.MAX_SAFE_INTEGER) return minimum < 0 ? "int64" : "uint64";
  return `${minimum} ${maximum}`;
}

/** Limits as literals of the code that is made. The loader passes integers beyond 2^53 as bigint. */
const WIDE = {
  int64: { min: "-9223372036854775808", max: "9223372036854775807" },
  uint64: { min: "0", max: "18446744073709551615" },
};

/** ajv keyword: an integer between two limits, inclusive. */
const range = {
  keyword: "range",
  schemaType: "string",
  code(context) {
    const { data, schema } = context;
    if (schema in WIDE) {
      const safe =
        schema === "int64" ? _`Number.isSafeInteger(${data})` : _`Number.isSafeInteger(${data}) && ${data} >= 0`;
      const { min, max } = WIDE[schema];
      const big = _`typeof ${data} == "bigint" && ${data} >= BigInt(${min}) && ${data} <= BigInt(${max})`;
      context.fail(_`!(${safe} || ${big})`);
      return;
    }
    const [min, max] = schema.split(" ").map(Number);
    context.fail(_`!(Number.isInteger(${data}) && ${data} >= ${min} && ${data} <= ${max})`);
  },
  error: {
    params: ({ schema }) => _`{limits: ${schema in WIDE ? `${WIDE[schema].min} ${WIDE[schema].max}` : schema}}`,
  },
};

/** ajv's code to a third of its size. Throws where the code has a form this does not know, as a new ajv may bring. */
function shrink(code) {
  const schemas = {};
  let out = code.replaceAll(/const (schema\d+) = (\{[^;]*\});/g, (_match, name, json) => {
    schemas[name] = JSON.parse(json);
    return "";
  });
  out = out.replaceAll(/\b(key\d+)\.replace\(\/~\/g, "~0"\)\.replace\(\/\\\/\/g, "~1"\)/g, "part($1)");
  out = out.replaceAll(
    /const (err\d+) = \{instancePath:?([^,]*),schemaPath:"[^"]*",keyword:"(\w+)",params:\{(?:comparison: "[<>]=", )?\w+: ([^}]*)\}\};if\(vErrors === null\)\{vErrors = \[\1\];\}else \{vErrors\.push\(\1\);\}/g,
    (_match, _error, at, keyword, wanted) =>
      `vErrors = fail(vErrors, ${at || "instancePath"}, "${keyword}", ${literal(wanted, schemas)});`,
  );
  // A copy for each entry of a list would be quadratic.
  out = out.replaceAll(
    /vErrors = vErrors === null \? (validate\d+)\.errors : vErrors\.concat\(\1\.errors\)/g,
    "vErrors = join(vErrors, $1.errors)",
  );
  // Nothing here looks at the parent of a value.
  out = out.replaceAll(/,parentData:\w+,parentDataProperty:[^,}]+,rootData/g, "");
  out = out.replaceAll(", parentData, parentDataProperty, rootData=data", "");
  out = out.replaceAll(/\/\*# sourceURL="[^"]*" \*\/;/g, "");
  // A call of BigInt() per value would show in the profile.
  out = out.replaceAll(/BigInt\("(-?\d+)"\)/g, "$1n");
  const strange = /\berr\d+\b|\bschema\d+\b|schemaPath|\brequire\(|\bfrom\s*"|\.replace\(|\.concat\(/.exec(out);
  if (strange !== null) throw new Error(`unexpected code from ajv: ${out.slice(strange.index, strange.index + 200)}`);
  return out + HELPERS;
}

/** `schema35.properties.policy.enum` as the value it has, so that the schemas need not be shipped in the code. */
function literal(expression, schemas) {
  const match = /^(schema\d+)((?:\.\w+)+)$/.exec(expression);
  if (match === null) return expression;
  let value = schemas[match[1]];
  for (const key of match[2].slice(1).split(".")) value = value[key];
  return JSON.stringify(value);
}

/** The names of a schema's properties as an expression, see `Names` in the declarations. */
function namesOf(node, file, schemas) {
  if (node.$ref !== undefined) {
    const [name, path = ""] = node.$ref.split("#");
    const target = name === "" ? file : name;
    const steps = path.split("/").slice(1);
    return namesOf(
      steps.reduce((value, step) => value[step], schemas[target]),
      target,
      schemas,
    );
  }
  if (node.items !== undefined) return namesOf(node.items, file, schemas);
  const entries = Object.entries(node.properties ?? {});
  if (typeof node.additionalProperties === "object") entries.push(["*", node.additionalProperties]);
  const named = entries.map(([name, value]) => `${JSON.stringify(name)}:${namesOf(value, file, schemas)}`);
  const isMapOfTexts = entries.length === 1 && named[0] === '"*":0';
  return entries.length === 0 || isMapOfTexts ? "0" : `{__proto__:null,${named.join(",")}}`;
}

function generate() {
  const ajv = new Ajv({
    allErrors: true,
    messages: false,
    logger: false,
    unicode: false, // a length is only ever compared with 1, and ucs2length would be a run-time dependency
    inlineRefs: 3,
    strict: true,
    strictRequired: true,
    allowUnionTypes: true,
    code: { source: true, esm: true, lines: false, optimize: 2 },
  });
  ajv.addKeyword(range);
  const schemas = {};
  for (const name of readdirSync(schemaDir).sort()) {
    if (!name.endsWith(".schema.json")) continue;
    schemas[name] = JSON.parse(readFileSync(join(schemaDir, name), "utf8"));
    ajv.addSchema(slim(schemas[name]));
  }
  const code = shrink(standalone.default(ajv, VALIDATORS));
  const names = Object.entries(NAMES).map(
    ([name, file]) => `export const ${name} = ${namesOf(schemas[file], file, schemas)};\n`,
  );
  mkdirSync(outDir, { recursive: true });
  writeFileSync(join(outDir, "validate.js"), code + names.join(""));
  writeFileSync(join(outDir, "validate.d.ts"), DECLARATIONS);
}

generate();
