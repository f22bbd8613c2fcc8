/** The filter of a profile, compiled once per host and profile. */
import * as os from "node:os";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { nativeArch } from "../seccomp/arches.ts";
import { compileSeccompCached } from "../seccomp/cache.ts";
import type { CompiledFilter } from "../seccomp/compile.ts";
import type { Seccomp } from "../spec/types.ts";
import type { Context } from "./context.ts";

/** In the root directory; `~` keeps it from being an id. */
const CACHE = "seccomp~cache";

export function compileProfile(context: Context, seccomp: Seccomp | undefined): CompiledFilter | undefined {
  if (seccomp === undefined) return undefined;
  const arch = nativeArch(process.arch, os.endianness());
  if (arch === undefined) {
    throw new TsruncError("unsupported", `no seccomp profiles on \`${process.arch}\``, { at: "/linux/seccomp" });
  }
  // No call of init is needed between the load and the hand-over: the launcher takes the listener by itself.
  return compileSeccompCached(seccomp, { arch, neededCalls: [] }, path.join(context.root, CACHE));
}
