/**
 * What native/engine/front.c tells about the process. It travels in argv[0], behind the byte 0x1f, since the environment
 * belongs to the caller: `runc\x1fnofile=1024;cwd=deleted`.
 */

import process from "node:process";

/** One moment by two clocks, in nanoseconds. */
export interface StartTime {
  readonly monotonicNs: number;
  readonly wallNs: number;
}

export interface HostInfo {
  /** The name we were started under: users and engines see it in usage and `--version`. */
  readonly programName: string;
  /** Soft RLIMIT_NOFILE that the caller had. */
  readonly nofile?: number;
  /** RLIMIT_FSIZE that the caller had, as `SOFT:HARD`, where it was limited; it has been lifted since. */
  readonly fileSize?: string;
  /** When the process began. */
  readonly start?: StartTime;
  /** The working directory had been deleted when the process started; it is now `/`. */
  readonly cwdDeleted: boolean;
}

const SEPARATOR = "\u001f";
const DEFAULT_NAME = "tsrunc";

/** Reads `process.argv0`; under Node (whose argv[0] is `node`) the name is `tsrunc`. */
export function hostInfo(): HostInfo {
  return parseArgv0(process.argv0, isStandalone());
}

/** Whether this is the standalone executable, with an engine of its own. */
export function isStandalone(): boolean {
  return process.versions.quickjs !== undefined;
}

/** The pure part of {@link hostInfo}. */
export function parseArgv0(argv0: string, standalone: boolean): HostInfo {
  const cut = argv0.indexOf(SEPARATOR);
  const path = cut < 0 ? argv0 : argv0.slice(0, cut);
  const base = path.slice(path.lastIndexOf("/") + 1);
  const programName = base === "" || (cut < 0 && !standalone) ? DEFAULT_NAME : base;
  let nofile: number | undefined;
  let fileSize: string | undefined;
  let startNs: number | undefined;
  let wallNs: number | undefined;
  let cwdDeleted = false;
  if (cut >= 0) {
    for (const pair of argv0.slice(cut + 1).split(";")) {
      const [key, value] = pair.split("=");
      if (key === "nofile") nofile = wholeNumber(value);
      else if (key === "fsize") fileSize = value;
      else if (key === "start") startNs = wholeNumber(value);
      else if (key === "wall") wallNs = wholeNumber(value);
      else if (key === "cwd") cwdDeleted = value === "deleted";
    }
  }
  return {
    programName,
    cwdDeleted,
    ...(nofile === undefined ? {} : { nofile }),
    ...(fileSize === undefined ? {} : { fileSize }),
    ...(startNs === undefined || wallNs === undefined ? {} : { start: { monotonicNs: startNs, wallNs } }),
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  const value = text === undefined || text === "" ? Number.NaN : Number(text);
  return Number.isInteger(value) && value >= 0 ? value : undefined;
}
