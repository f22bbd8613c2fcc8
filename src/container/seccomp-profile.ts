/** The filter of a profile, compiled once per host and profile. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import process from "node:process";
import { TsruncError } from "../errors.ts";
import { nativeArch } from "../seccomp/arches.ts";
import { compileSeccompCached } from "../seccomp/cache.ts";
import { type CompiledFilter, unknownSyscalls } from "../seccomp/compile.ts";
import { flagsOfKernel, type SeccompKernel, usesNotify } from "../seccomp/validate.ts";
import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { type Context, cacheDirectory } from "./context.ts";

const ACTIONS_FILE = "/proc/sys/kernel/seccomp/actions_avail";

/** @throws TsruncError `config` for a wrong profile, `unsupported` for what this kernel lacks */
export function compileProfile(context: Context, seccomp: Seccomp | undefined): CompiledFilter | undefined {
  if (seccomp === undefined) return undefined;
  const arch = machineArch();
  if (context.debug) {
    // As runc, only for debugging: profiles name the calls of many architectures and of kernels to come.
    for (const name of unknownSyscalls(seccomp)) context.log.debug(`seccomp: unknown system call \`${name}\` skipped`);
  }
  const kernel = kernelFor(seccomp);
  const options = kernel === undefined ? { arch } : { arch, kernel };
  const filter = compileSeccompCached(seccomp, options, path.join(cacheDirectory(process.env), "seccomp"));
  if (context.debug) {
    const how = filter.cached === true ? "read from the cache" : "compiled";
    context.log.debug(`seccomp: ${how}: ${filter.length} instructions for ${filter.arches.join(", ")}`);
  }
  return filter;
}

/** @throws TsruncError `unsupported` */
function machineArch(): SeccompArch {
  const arch = nativeArch(process.arch, os.endianness());
  if (arch !== undefined) return arch;
  throw new TsruncError("unsupported", `no seccomp profiles on \`${process.arch}\``, { at: "/linux/seccomp" });
}

/** Not asked for where any kernel that runs containers (5.10) has all that the profile uses: it costs two reads. */
function kernelFor(seccomp: Seccomp): SeccompKernel | undefined {
  if (!usesNotify(seccomp) && (seccomp.flags ?? []).length === 0) return undefined;
  const flags = flagsOfKernel(os.release());
  try {
    return { flags, actions: fs.readFileSync(ACTIONS_FILE, "latin1").trim().split(/\s+/) };
  } catch {
    return { flags };
  }
}
