/**
 * From text to a {@link Spec} that can be trusted to have its types and to obey the rules of the specification.
 * Everything that is wrong is reported at once: first what the schema finds, and if that is nothing, the rest.
 */
import { join } from "node:path";
import type { Problem } from "../errors.ts";
import { TsruncError } from "../errors.ts";
import type { Validator } from "../generated/validate.js";
import {
  validateConfig as configSchema,
  validateProcess as processSchema,
  validateResources as resourcesSchema,
} from "../generated/validate.js";
import { readText } from "./files.ts";
import { parseJson } from "./json.ts";
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

/**
 * Reads and checks `config.json` of a bundle, for this machine.
 *
 * @throws TsruncError "config" if it is missing, no JSON, or wrong; then `problems` has every place.
 */
export function loadSpec(bundle: string, options: ValidateOptions = {}): LoadedSpec {
  const file = join(bundle, "config.json");
  const hint = "give the bundle's directory with `--bundle`, or make a config.json with `tsrunc spec`";
  const loaded = parseSpec(readText(file, "config", hint), file, options);
  judge(file, validateHost(loaded.spec));
  return loaded;
}

/** {@link loadSpec} of a text. `file` is for messages. */
export function parseSpec(text: string, file: string, options: ValidateOptions = {}): LoadedSpec {
  const spec = check<Spec>(parseJson(text, file), text, file, configSchema, fillUserOfSpec);
  return { spec, text, file, warnings: judge(file, validateSpec(spec, options)) };
}

/** Checks the JSON of one process, as `exec --process` takes it. */
export function loadProcess(text: string, file: string): LoadedProcess {
  const process = check<Process>(parseJson(text, file), text, file, processSchema, fillUser);
  return { process, warnings: judge(file, validateProcess(process)) };
}

/** Checks the JSON of `linux.resources`, as `update --resources` takes it. */
export function loadResources(text: string, file: string): Resources {
  const resources = check<Resources>(parseJson(text, file), text, file, resourcesSchema);
  judge(file, validateResources(resources));
  return resources;
}

/** Checks a seccomp profile that {@link parseJson} found in a text, of which nothing else matters. */
export function checkSeccomp(seccomp: unknown, text: string, file: string): Seccomp {
  // As a part of the smallest config, so that pointers are the same.
  const document = { ociVersion: "1.3.0", root: { path: "." }, linux: { seccomp } };
  const spec = check<Spec>(document, text, file, configSchema);
  judge(file, validateSpec(spec));
  return spec.linux?.seccomp as Seccomp;
}

function check<T>(
  document: unknown,
  text: string,
  file: string,
  validator: Validator,
  complete?: (document: Fields) => void,
): T {
  // A NUL can only be written as an escape: JSON allows no raw control characters.
  const nuls = text.includes("\\u0000") ? findNuls(document) : [];
  if (/[:,]\s*null\b/.test(text)) dropNulls(document);
  if (isFields(document)) complete?.(document);
  if (!validator(document)) throw wrong(file, schemaProblems(document, validator.errors ?? []).concat(nuls));
  if (nuls.length > 0) throw wrong(file, nuls);
  return document as T;
}

/** Throws for problems, returns warnings as texts. */
function judge(file: string, findings: Findings): readonly string[] {
  if (findings.problems.length > 0) throw wrong(file, findings.problems);
  return findings.warnings.map(({ at, message }) => `${at}: ${message}`);
}

function wrong(file: string, problems: readonly Problem[]): TsruncError {
  const places = problems.length === 1 ? "1 place" : `${problems.length} places`;
  return new TsruncError("config", `\`${file}\` is wrong in ${places}`, { problems });
}

type Fields = Record<string, unknown>;

/** As in Go, whose programs write most config.json files, a field that is null counts as absent. */
function dropNulls(value: unknown): void {
  if (value === null || typeof value !== "object") return;
  for (const [key, field] of Object.entries(value)) {
    if (field === null && !Array.isArray(value)) delete (value as Fields)[key];
    else dropNulls(field);
  }
}

/** No string that reaches the kernel can hold a NUL. Annotations do not reach it. */
function findNuls(value: unknown, at = ""): Problem[] {
  if (typeof value === "string") {
    return value.includes("\0") ? [{ at, message: `expected text without NUL, found ${show(value)}` }] : [];
  }
  if (value === null || typeof value !== "object" || at === "/annotations") return [];
  return Object.entries(value).flatMap(([key, field]) => {
    const here = at + pointer(key);
    const inKey = key.includes("\0") ? [{ at, message: `expected names without NUL, found ${show(key)}` }] : [];
    return inKey.concat(findNuls(field, here));
  });
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
