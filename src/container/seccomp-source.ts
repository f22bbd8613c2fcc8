/** Where the seccomp verbs find what they look into. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { nativeArch } from "../seccomp/arches.ts";
import { parseJson } from "../spec/json.ts";
import { checkSeccomp } from "../spec/load.ts";
import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";
import { absolutePath } from "./paths.ts";

/** This machine's architecture. @throws TsruncError `unsupported` */
export function hostArch(): SeccompArch {
  const arch = nativeArch(process.arch, os.endianness());
  if (arch !== undefined) return arch;
  throw new TsruncError("unsupported", `no seccomp profiles on \`${process.arch}\``);
}

/**
 * The profile of a bundle, of a config.json, or a file with a profile as in `linux.seccomp`; a file that is no JSON is
 * taken for a raw filter.
 *
 * @throws TsruncError `io`, `config` (wrong, or no profile in it)
 */
export function readSeccompSource(source: string): Seccomp | Uint8Array {
  const [file, bytes] = readSource(source);
  // White space, then the brace of an object; the first word of a filter is an instruction's code, never 0x..7b.
  if (!/^\s*\{/.test(bytes.toString("latin1", 0, 64))) return bytes;
  const text = bytes.toString("utf8");
  const document = parseJson(text, file) as Readonly<Record<string, unknown>>;
  if ("archMap" in document) throw engineProfile(file);
  const seccomp =
    "defaultAction" in document ? document : (document as { linux?: { seccomp?: unknown } }).linux?.seccomp;
  if (seccomp === undefined || seccomp === null) {
    throw new TsruncError("config", `\`${file}\` has no seccomp profile`, { at: "/linux/seccomp" });
  }
  return checkSeccomp(seccomp, text, file);
}

/** Containerd's and Docker's own format has conditions on the container, of which the runtime knows nothing. */
function engineProfile(file: string): TsruncError {
  return new TsruncError("config", `\`${file}\` is a profile for an engine, which makes that of config.json from it`, {
    hint: "look at the bundle of a container that the engine has made",
  });
}

/** @throws TsruncError `usage` for a raw filter, which says nothing about rules */
export function readSeccompProfile(source: string): Seccomp {
  const found = readSeccompSource(source);
  if (found instanceof Uint8Array) throw new TsruncError("usage", `\`${source}\` is no profile: expected JSON`);
  return found;
}

function readSource(source: string): [file: string, bytes: Buffer] {
  absolutePath(source, "`seccomp`");
  const file = fs.statSync(source, { throwIfNoEntry: false })?.isDirectory()
    ? path.join(source, "config.json")
    : source;
  try {
    return [file, fs.readFileSync(file)];
  } catch (error) {
    throw new TsruncError("io", `read \`${file}\`: ${errnoPhrase(errnoOf(error))}`, {
      errno: errnoOf(error),
      cause: error,
    });
  }
}
