import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Op } from "../../src/program/ops.ts";

function errno(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Does what the executor would, for the ops of a cgroup plan. `pid`: whom `attach` enters. */
export function execute(ops: readonly Op[], pid = 0): void {
  for (const op of ops) {
    try {
      one(op, pid);
    } catch (error) {
      if ("ignore" in op && op.ignore.includes(errno(error))) continue;
      throw new Error(`${op.op} ${"path" in op ? op.path : ""} ${"text" in op ? op.text : ""}: ${errno(error)}`);
    }
  }
}

function one(op: Op, pid: number): void {
  switch (op.op) {
    case "mkdir":
      mkdirSync(op.path, { recursive: op.parents, mode: Number(op.mode) });
      break;
    case "write":
      write(op.path, op.text);
      break;
    case "attach":
      write(op.path, `${pid}`);
      break;
    case "cgroupRemove":
      removeTree(op.path, Date.now() + Number(op.timeoutMs));
      break;
    case "writeUntil":
      write(op.path, op.text);
      break;
    default:
      throw new Error(`the interpreter does not know ${op.op}`);
  }
}

/** One write(2): the files of a cgroup take a value in one piece and are never truncated. */
function write(path: string, text: string): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** Removes a cgroup and those below it, waiting until the last process is gone. */
export function removeTree(path: string, until: number): void {
  for (;;) {
    try {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isDirectory()) removeTree(`${path}/${entry.name}`, until);
      }
      rmdirSync(path);
      return;
    } catch (error) {
      if (errno(error) === "ENOENT") return;
      if (errno(error) !== "EBUSY" || Date.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Removes the cgroups and the one above, which a test made for itself. */
export function cleanUp(paths: readonly string[]): void {
  for (const path of new Set(paths)) {
    removeTree(path, Date.now() + 2000);
    removeTree(dirname(path), Date.now() + 2000);
  }
}
