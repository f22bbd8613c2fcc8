/** `tsrunc seccomp disasm|stats BUNDLE|FILE` and `tsrunc seccomp explain BUNDLE|FILE SYSCALL [ARG…]`. */
import * as fs from "node:fs";
import * as path from "node:path";
import { machineArch } from "../../container/seccomp-profile.ts";
import { TsruncError } from "../../errors.ts";
import { disasmReport, explainReport, type Profile, statsReport } from "../../seccomp/report.ts";
import { parseJson } from "../../spec/json.ts";
import { parseSpec } from "../../spec/load.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";

const IN_CONFIG = "/linux/seccomp";

export function seccompVerb({ args }: Call): number {
  const [action = "", source, ...rest] = args;
  const [call, ...values] = rest;
  const wanted = WANTED[action];
  if (wanted === undefined) throw new TsruncError("usage", `\`seccomp\`: unknown action \`${action}\``, { hint: HINT });
  const fits = action === "explain" ? call !== undefined : call === undefined;
  if (source === undefined || !fits) throw new TsruncError("usage", `usage: tsrunc seccomp ${action} ${wanted}`);
  const arch = machineArch();
  switch (action) {
    case "disasm":
      print(disasmReport(readFilter(source) ?? readProfile(source), arch));
      break;
    case "explain":
      print(explainReport(readProfile(source), call ?? "", values, arch));
      break;
    default:
      print(statsReport(readProfile(source), arch));
  }
  return 0;
}

const WANTED: Readonly<Record<string, string>> = {
  disasm: "BUNDLE|FILE",
  explain: "BUNDLE|FILE SYSCALL [ARG…]",
  stats: "BUNDLE|FILE",
};
const HINT = "one of disasm, explain, stats";

/** A file that is no text is a compiled filter: each of its instructions has a byte 0, JSON has none. */
function readFilter(source: string): Uint8Array | undefined {
  if (isDirectory(source)) return undefined;
  const bytes = fs.readFileSync(source);
  return bytes.includes(0) ? new Uint8Array(bytes) : undefined;
}

function isDirectory(source: string): boolean {
  return fs.statSync(source).isDirectory();
}

/** Of a bundle, of a config.json, or of a file that holds nothing but the profile. */
function readProfile(source: string): Profile {
  const file = isDirectory(source) ? path.join(source, "config.json") : source;
  const text = fs.readFileSync(file, "utf8");
  const document = parseJson(text, file);
  if (isObject(document) && !("ociVersion" in document)) {
    if ("archMap" in document) throw engineProfile(file);
    if ("defaultAction" in document) return bareProfile(text, file);
  }
  const { seccomp } = parseSpec(text, file).spec.linux ?? {};
  if (seccomp === undefined) throw new TsruncError("config", `\`${file}\` has no seccomp profile`, { at: IN_CONFIG });
  return { seccomp, pointer: IN_CONFIG };
}

function isObject(document: unknown): document is Readonly<Record<string, unknown>> {
  return typeof document === "object" && document !== null;
}

function engineProfile(file: string): TsruncError {
  return new TsruncError("config", `\`${file}\` is a profile for an engine, which makes that of config.json from it`, {
    hint: "look at the bundle of a container that the engine has made",
  });
}

/** Checked as part of the smallest config.json, with pointers as they are in the file. */
function bareProfile(text: string, file: string): Profile {
  try {
    const config = `{"ociVersion":"1.0.0","root":{"path":"rootfs"},"linux":{"seccomp":${text}}}`;
    const { seccomp } = parseSpec(config, file).spec.linux ?? {};
    if (seccomp !== undefined) return { seccomp, pointer: "" };
  } catch (error) {
    if (!(error instanceof TsruncError)) throw error;
    const problems = error.problems.map(({ at, message }) => ({ at: at.slice(IN_CONFIG.length), message }));
    throw new TsruncError(error.code, error.message, { problems, cause: error });
  }
  throw new TsruncError("config", `\`${file}\` holds no seccomp profile`);
}
