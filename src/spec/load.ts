/**
 * From text to a {@link Spec} that can be trusted to have its types and to obey the rules of the specification.
 * Everything that is wrong is reported at once: first what the schema finds, and if that is nothing, the rest.
 */
import { join } from "node:path";
import type { Problem } from "../errors.ts";
import { TsruncError } from "../errors.ts";
import type { Names, Validator } from "../generated/validate.js";
import {
  configNames,
  validateConfig as configSchema,
  processNames,
  validateProcess as processSchema,
  resourcesNames,
  validateResources as resourcesSchema,
} from "../generated/validate.js";
import { readText } from "./files.ts";
import { MAX_DEPTH, parseJson, TOO_DEEP } from "./json.ts";
import { type Misspelling, misspellings, warningsOf, withHints } from "./letter-case.ts";
import { pointer, show } from "./pointer.ts";
import { schemaProblems } from "./schema-problems.ts";
import type { Process, Resources, Seccomp, Spec } from "./types.ts";
import type { Findings, ValidateOptions } from "./validate.ts";
import { validateHost, validateProcess, validateResources, validateSpec } from "./validate.ts";

export interface LoadedSpec {
  readonly spec: Spec;
  /** config.json as it was read, for the copy that is kept with the container. */
  readonly text: string;
  /** Path of config.json. */
  readonly file: string;
  /** For the log, each with its JSON pointer. */
  readonly warnings: readonly string[];
}

export interface LoadedProcess {
  readonly process: Process;
  readonly warnings: readonly string[];
}

export interface LoadedResources {
  readonly resources: Resources;
  readonly warnings: readonly string[];
}

/**
 * Reads and checks `config.json` of a bundle, or another file in its place, for this machine.
 *
 * @throws TsruncError "config" if it is missing, no JSON, or wrong; then `problems` has every place.
 */
export function loadSpec(bundle: string, options: ValidateOptions = {}, given?: string): LoadedSpec {
  const file = given ?? join(bundle, "config.json");
  const hint =
    given === undefined
      ? "give the bundle's directory with `--bundle`, or make a config.json with `tsrunc spec`"
      : undefined;
  const loaded = parseSpec(readText(file, "config", hint), file, options);
  judge(file, validateHost(loaded.spec));
  return loaded;
}

/** What is wrong and what is odd, and the spec, whose fields have their types, so that more can be looked at. */
export interface InspectedSpec extends Findings {
  readonly spec: Spec;
}

/**
 * {@link loadSpec} that goes on where rules are broken.
 *
 * @throws TsruncError "config" if it is missing, no JSON, or its fields have not their types
 */
export function inspectSpec(bundle: string, given?: string): InspectedSpec {
  const file = given ?? join(bundle, "config.json");
  const text = readText(file, "config");
  const { document, found } = check<Spec>(parseJson(text, file), text, file, CONFIG);
  const [rules, host] = [validateSpec(document), validateHost(document)];
  return {
    spec: document,
    problems: withHints([...rules.problems, ...host.problems], found),
    warnings: [...rules.warnings, ...host.warnings, ...warningsOf(found)],
  };
}

/** {@link loadSpec} of a text. `file` is for messages. */
export function parseSpec(text: string, file: string, options: ValidateOptions = {}): LoadedSpec {
  const { document, found } = check<Spec>(parseJson(text, file), text, file, CONFIG);
  return { spec: document, text, file, warnings: judge(file, validateSpec(document, options), found) };
}

/** Checks the JSON of one process, as `exec --process` takes it. */
export function loadProcess(text: string, file: string): LoadedProcess {
  const { document, found } = check<Process>(parseJson(text, file), text, file, PROCESS);
  return { process: document, warnings: judge(file, validateProcess(document), found) };
}

/** Checks the JSON of `linux.resources`, as `update --resources` takes it. */
export function loadResources(text: string, file: string): LoadedResources {
  const { document, found } = check<Resources>(parseJson(text, file), text, file, RESOURCES);
  return { resources: document, warnings: judge(file, validateResources(document), found) };
}

/** Checks a seccomp profile that {@link parseJson} found in a text, of which nothing else matters. */
export function checkSeccomp(seccomp: unknown, text: string, file: string): Seccomp {
  // As a part of the smallest config, so that pointers are the same.
  const smallest = { ociVersion: "1.3.0", root: { path: "." }, linux: { seccomp } };
  const { document, found } = check<Spec>(smallest, text, file, CONFIG);
  judge(file, validateSpec(document), found);
  return document.linux?.seccomp as Seccomp;
}

/** Checks the hooks of a config that {@link parseJson} found in a text, of which nothing else matters. */
export function checkHooks(config: unknown, text: string, file: string): Spec["hooks"] {
  const hooks = isFields(config) ? config.hooks : undefined;
  const { document, found } = check<Spec>({ ociVersion: "1.3.0", root: { path: "." }, hooks }, text, file, CONFIG);
  judge(file, validateSpec(document), found);
  return document.hooks;
}

/** What a document must be. */
interface Kind {
  readonly validator: Validator;
  readonly names: Names;
  /** Puts in what may be left out. */
  readonly complete?: (document: Fields) => void;
}

const CONFIG: Kind = { validator: configSchema, names: configNames, complete: fillUserOfSpec };
const PROCESS: Kind = { validator: processSchema, names: processNames, complete: fillUser };
const RESOURCES: Kind = { validator: resourcesSchema, names: resourcesNames };

interface Checked<T> {
  readonly document: T;
  readonly found: readonly Misspelling[];
}

function check<T>(document: unknown, text: string, file: string, { validator, names, complete }: Kind): Checked<T> {
  // A NUL can only be written as an escape: JSON allows no raw control characters.
  const nuls = text.includes("\\u0000") ? findNuls(document, file) : [];
  if (/[:,]\s*null\b/.test(text)) dropNulls(document, file);
  if (isFields(document)) complete?.(document);
  const found = misspellings(document, text, names);
  if (!validator(document)) {
    throw wrong(file, withHints(schemaProblems(document, validator.errors ?? []).concat(nuls), found));
  }
  if (nuls.length > 0) throw wrong(file, nuls);
  return { document: document as T, found };
}

/** Throws for problems, returns warnings as texts. */
function judge(file: string, findings: Findings, found: readonly Misspelling[] = []): readonly string[] {
  if (findings.problems.length > 0) throw wrong(file, withHints(findings.problems, found));
  return [...findings.warnings, ...warningsOf(found)].map(({ at, message }) => `${at}: ${message}`);
}

function wrong(file: string, problems: readonly Problem[]): TsruncError {
  const places = problems.length === 1 ? "1 place" : `${problems.length} places`;
  return new TsruncError("config", `\`${file}\` is wrong in ${places}`, { problems });
}

type Fields = Record<string, unknown>;

/** As in Go, whose programs write most config.json files, a field that is null counts as absent. */
function dropNulls(value: unknown, file: string, depth = 0): void {
  if (value === null || typeof value !== "object") return;
  checkDepth(depth, file);
  for (const [key, field] of Object.entries(value)) {
    if (field === null && !Array.isArray(value)) delete (value as Fields)[key];
    else dropNulls(field, file, depth + 1);
  }
}

/** No string that reaches the kernel can hold a NUL. Annotations do not reach it. */
function findNuls(value: unknown, file: string): Problem[] {
  const found: Problem[] = [];
  const visit = (field: unknown, at: string, depth: number) => {
    if (typeof field === "string" && field.includes("\0")) {
      found.push({ at, message: `expected text without NUL, found ${show(field)}` });
    }
    if (field === null || typeof field !== "object" || at === "/annotations") return;
    checkDepth(depth, file);
    for (const [key, below] of Object.entries(field)) {
      const here = at + pointer(key);
      if (key.includes("\0")) found.push({ at, message: `expected names without NUL, found ${show(key)}` });
      visit(below, here, depth + 1);
    }
  };
  visit(value, "", 0);
  return found;
}

/** JSON.parse goes deeper than our own stack does, into fields too that nobody knows. */
function checkDepth(depth: number, file: string): void {
  if (depth > MAX_DEPTH) throw new TsruncError("config", `\`${file}\` has ${TOO_DEEP}`);
}

function fillUserOfSpec(document: Fields): void {
  if (isFields(document.process)) fillUser(document.process);
}

/**
 * The specification does not say that `user` is required; without it runc and crun run as root of the container. The
 * gid and the I/O priority are, but programs in Go that write these files leave zeros out.
 */
function fillUser(process: Fields): void {
  process.user ??= { uid: 0, gid: 0 };
  fillZero(process.user, "gid");
  fillZero(process.ioPriority, "priority");
}

function fillZero(value: unknown, field: string): void {
  if (isFields(value)) value[field] ??= 0;
}

function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
