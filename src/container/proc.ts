/** Processes, named by pid and start time: a pid alone may have been given to another process since. */

import * as fs from "node:fs";

export interface ProcessRef {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: start of the process in clock ticks after boot. */
  readonly startTime: number;
}

/** @returns undefined when the process does not exist. */
export function readProcess(pid: number | "self"): (ProcessRef & { readonly state: string }) | undefined {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // Field 2 is the command's name in parentheses, and may itself hold blanks and parentheses (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(stat, 10), startTime: Number(fields[19]), state: fields[0] ?? "" };
}

/** Whether it is the same process and runs its program; a zombie is dead. */
export function isAlive(ref: ProcessRef): boolean {
  if (ref.pid <= 0) return false;
  const found = readProcess(ref.pid);
  return found !== undefined && found.startTime === ref.startTime && found.state !== "Z" && found.state !== "X";
}

/** This process. */
export function self(): ProcessRef {
  const found = readProcess("self");
  return { pid: found?.pid ?? 0, startTime: found?.startTime ?? 0 };
}
