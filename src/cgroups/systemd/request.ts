/** What the launcher asks of systemd: this program again, with a hidden verb, since only TypeScript speaks D-Bus. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isStandalone } from "../../host.ts";
import { type Op, PID } from "../../program/ops.ts";
import type { BusAddress } from "./manager.ts";
import type { Property } from "./properties.ts";

/** The first word of the hidden command line; the second is the action. The front knows it: FFI needs the JIT. */
export const SYSTEMD_VERB = "__systemd";

export type Action = "start" | "set" | "stop";

/** Where a container's unit is, for as long as the container is. */
export interface UnitRecord {
  readonly unit: string;
  readonly addresses: readonly BusAddress[];
  /** A file that is there while systemd knows the unit. */
  readonly file: string;
}

/** What `start`, `set` and `stop` read from their standard input, as JSON. */
export interface Request extends UnitRecord {
  readonly properties?: readonly Property[];
  readonly start?: {
    /** The cgroup that systemd is to make, below the mount point. */
    readonly cgroup: string;
    readonly directory: string;
    /** Who is to own it, and which of its files (config-linux.md, "Cgroup ownership"). */
    readonly owner?: { readonly uid: number; readonly paths: readonly string[] };
  };
}

/** Longer than the helper itself waits for systemd, so that it can say what it waited for. */
const TIMEOUT_MS = 60_000;

/** Runs the helper. Its input is the pid of the container's process, a line feed and the request. */
export function systemdOp(action: Action, request: Request, warn = false): Op {
  const [path, ...argv] = helper();
  return {
    op: "spawn",
    path,
    argv: [...argv, SYSTEMD_VERB, action],
    // Nothing of the caller's: what the helper needs to know is in the request.
    env: [],
    home: false,
    input: `${action === "start" ? PID : ""}\n${JSON.stringify(request)}`,
    timeoutMs: TIMEOUT_MS,
    warn,
    ...(action === "start" ? { at: "/linux/cgroupsPath" } : {}),
    what: "systemd",
  };
}

/** Path and argv by which this program is started again. */
function helper(): readonly [string, ...string[]] {
  const here = import.meta.url;
  if (isStandalone()) return [process.execPath, "tsrunc"];
  const host = process.versions.bun === undefined ? "node" : "bun";
  return [process.execPath, host, fileURLToPath(new URL(commandLine(here), here))];
}

/** The build makes one file of the command line, dist/cli.js; the library's modules are in dist/lib/. */
function commandLine(here: string): string {
  if (here.endsWith("/cli.js")) return "./cli.js";
  return here.endsWith(".ts") ? "../../cli/main.ts" : "../../../cli.js";
}
