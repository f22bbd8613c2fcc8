/** The run's own directory and the runtime that is under test. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Mark of this run: part of every path, cgroup and environment, so that whatever is left behind can be recognised. */
export const TAG = `eng${process.pid.toString(36)}${Math.floor(Math.random() * 46656)
  .toString(36)
  .padStart(3, "0")}`;

const CHECKOUT = path.resolve(import.meta.dirname, "../../..");
const GIVEN = path.resolve(process.env.RUNTIME ?? path.join(CHECKOUT, "dist/tsrunc"));

/** Path of a file that gets one line for every call of the runtime: a help in finding out what an engine wanted. */
const TRACE = process.env.RUNTIME_TRACE;

let directory: string | undefined;

/** The run's directory, made at first use. Its path is short: sockets in it may have 107 characters. */
export function workspace(): string {
  if (directory !== undefined) return directory;
  const made = mkdtempSync(path.join(tmpdir(), `${TAG}-`));
  chmodSync(made, 0o755);
  directory = made;
  return made;
}

/** Makes (if need be) and returns a directory below the run's. */
export function subdirectory(name: string): string {
  const made = path.join(workspace(), name);
  mkdirSync(made, { recursive: true });
  return made;
}

export function removeWorkspace(): void {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
}

/** True when tsrunc is tested, false in a control run with another runtime. */
export function isTsrunc(): boolean {
  return path.basename(GIVEN) === "tsrunc";
}

/** The runtime: a copy of its own that stays the same, even if a build replaces the original. Its name is kept: podman
 * goes by it. */
export function runtimePath(): string {
  const target = path.join(subdirectory("runtime"), path.basename(GIVEN));
  if (existsSync(target)) return target;
  if (!existsSync(GIVEN)) throw new Error(`no runtime at \`${GIVEN}\`: run \`npm run build\`, or set RUNTIME`);
  if (TRACE === undefined) {
    copyFileSync(GIVEN, target);
  } else {
    const real = path.join(subdirectory("runtime/real"), path.basename(GIVEN));
    copyFileSync(GIVEN, real);
    writeFileSync(target, tracer(real, path.resolve(TRACE)));
  }
  chmodSync(target, 0o755);
  return target;
}

/** A directory that has the runtime under the name `runc`, for those who look for that in PATH. */
export function runcDirectory(): string {
  const directory = subdirectory("path");
  const link = path.join(directory, "runc");
  if (!existsSync(link)) symlinkSync(runtimePath(), link);
  return directory;
}

function tracer(real: string, log: string): string {
  return `#!/bin/sh\necho "$$ $(date +%T.%N) $*" >>${log}\nexec ${real} "$@"\n`;
}
