/** What every verb needs to know about the call it is part of. */

import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import type { CgroupManager } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { StartTime } from "../host.ts";
import type { Perform, TimingOutput } from "../init/launch.ts";
import { absolutePath } from "./paths.ts";
import type { Memory } from "./remember.ts";

export interface Logger {
  warn(message: string): void;
  debug(message: string): void;
}

export interface Context {
  /** How programs are executed. @returns the exit status, if it returns. */
  readonly perform: Perform;
  /** Absolute path of the directory that holds the state of containers. It may not exist yet. */
  readonly root: string;
  /** Whether the caller named {@link root}. A named root that does not exist is an error for reading verbs. */
  readonly rootGiven: boolean;
  /** Where warnings and debug lines go; errors are thrown, and logged by the outermost caller. */
  readonly log: Logger;
  /** The log file, for tsrunc-init, which logs on its own after it has taken over. */
  readonly logPath?: string;
  readonly logFormat: "text" | "json";
  readonly debug: boolean;
  /** What `--rootless` says; absent: find out ({@link isRootless}). */
  readonly rootless?: boolean;
  readonly cgroupManager: CgroupManager;
  /** The name we were started under. */
  readonly programName: string;
  /** Soft RLIMIT_NOFILE of the caller, where the front part of the executable passed it on. */
  readonly nofile?: number;
  /** What becomes of the measured times, when times are measured. */
  readonly timings?: TimingOutput;
  /** In a process that lives long: what does not change meanwhile, see {@link once}. */
  readonly memory?: Memory;
  /** When the process began, where the front part of the executable noted it. */
  readonly start?: StartTime;
  /** RLIMIT_FSIZE of the caller, as `SOFT:HARD`, where the front part of the executable has lifted it. */
  readonly fileSize?: string;
}

/** For `--debug`: which container a verb found, and how. */
export function tellContainer({ debug, log }: Context, { id, pid, bundle }: Found, status: string): void {
  if (debug) log.debug(`container \`${id}\` is ${status}: pid ${pid}, bundle \`${bundle}\``);
}

interface Found {
  readonly id: string;
  readonly pid: number;
  readonly bundle: string;
}

/**
 * Whether errors of the cgroup file system for want of permission are to be passed over: by `--rootless`,
 * else when we are not root or only root of a user namespace.
 */
export function isRootless(context: Context): boolean {
  return context.rootless ?? (geteuid() !== 0 || isInUserNamespace(context));
}

/**
 * Directory for state when none was named: `/run/tsrunc`, or `$XDG_RUNTIME_DIR/tsrunc` without root.
 * Root of a user namespace made by a rootless engine counts as being without root.
 */
export function defaultRoot(env: Readonly<Record<string, string | undefined>>): string {
  const runtimeDir = env.XDG_RUNTIME_DIR;
  if (runtimeDir !== undefined && runtimeDir !== "" && (geteuid() !== 0 || inUserNamespace())) {
    return path.join(runtimeDir, "tsrunc");
  }
  return "/run/tsrunc";
}

/**
 * What is kept for the containers to come, beside the default directory for state: whoever looks for containers, or for
 * what is left of them, finds nothing of it in a root directory, whichever that is.
 */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return `${defaultRoot(env)}-cache`;
}

/** @throws TsruncError `usage` for a root that is `/`: its entries are not ours. */
export function resolveRoot(given: string): string {
  const root = absolutePath(given, "flag `--root`");
  if (root === "/") throw new TsruncError("usage", "flag `--root`: the root directory of the system cannot hold state");
  return root;
}

function geteuid(): number {
  return process.geteuid?.() ?? 0;
}

/** {@link inUserNamespace} of this process. It cannot leave the initial one; the map of another may still be unwritten. */
export function isInUserNamespace(context: Pick<Context, "memory">): boolean {
  const key = "in the initial user namespace";
  if (context.memory?.get(key) === true) return false;
  const inside = inUserNamespace();
  if (!inside) context.memory?.set(key, true);
  return inside;
}

export function inUserNamespace(): boolean {
  try {
    // The initial user namespace maps all ids onto themselves: "0 0 4294967295" (user_namespaces(7)).
    return fs.readFileSync("/proc/self/uid_map", "latin1").trim().split(/\s+/).join(" ") !== "0 0 4294967295";
  } catch {
    return false;
  }
}
