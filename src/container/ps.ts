/** ps: the processes of a container, as the host sees them. */
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import process from "node:process";
import { listPids } from "../cgroups/pids.ts";
import { TsruncError } from "../errors.ts";
import type { Context } from "./context.ts";
import { loadState } from "./store.ts";

const LARGEST_OUTPUT = 256 << 20;

/**
 * Pids of all processes in the container's cgroup and those below it; none when it is stopped.
 *
 * @throws TsruncError `not-found`, `unsupported` when the container has no cgroup
 */
export function containerProcesses(context: Context, id: string): readonly number[] {
  const { cgroup } = loadState(path.resolve(context.root), id);
  if (cgroup === undefined || Object.keys(cgroup.paths).length === 0) {
    throw new TsruncError("unsupported", `cannot list the processes of \`${id}\`: it has no cgroup of its own`);
  }
  return listPids(cgroup, { recursive: true });
}

/** Output of ps(1) with these arguments, reduced to its header and to the lines of these pids. @throws TsruncError `io` */
export function processTable(pids: readonly number[], args: readonly string[]): string {
  return filterTable(runPs(args.length === 0 ? ["-ef"] : args), pids);
}

/** The pure part of {@link processTable}. @throws TsruncError `usage` when no column is called PID */
export function filterTable(text: string, pids: readonly number[]): string {
  const [header = "", ...rows] = text.split("\n");
  const column = fields(header).indexOf("PID");
  if (column < 0) throw new TsruncError("usage", "couldn't find PID field in ps output");
  const wanted = new Set(pids);
  const kept = rows.filter((row) => wanted.has(Number(fields(row)[column])));
  return [header, ...kept].map((line) => `${line}\n`).join("");
}

function fields(line: string): string[] {
  return line.trim().split(/\s+/);
}

function runPs(args: readonly string[]): string {
  const done = spawnSync("ps", args, {
    encoding: "utf8",
    env: process.env,
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: LARGEST_OUTPUT,
  });
  if (done.error !== undefined) {
    const errno = (done.error as NodeJS.ErrnoException).code;
    const message = errno === "ENOENT" ? 'exec: "ps": executable file not found in $PATH' : `run \`ps\`: ${errno}`;
    throw new TsruncError("io", message, { errno, cause: done.error });
  }
  if (done.status === 0) return done.stdout;
  const ending = done.status === null ? `signal ${done.signal}` : `exit status ${done.status}`;
  const said = `${done.stdout}${done.stderr}`.trim();
  throw new TsruncError("io", `ps: ${ending}${said === "" ? "" : `: ${said}`}`);
}
