/** What root of this machine lacks: in a VM or container of its own it may not have every capability. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import type { Engine } from "./engine.ts";
import type { Result } from "./run.ts";

function hasAll(): boolean {
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  const status = readFileSync("/proc/self/status", "utf8");
  const bounding = BigInt(`0x${/^CapBnd:\t(\w+)$/m.exec(status)?.[1] ?? "0"}`);
  return bounding === (1n << BigInt(last + 1)) - 1n;
}

/**
 * Docker asks for every capability there is in a privileged container, not for those that root has. Where root lacks
 * some, a runtime may refuse and say why; that is checked here, and true returned.
 */
export function refusesPrivileges(engine: Engine, result: Result): boolean {
  if (result.code === 0 || engine.name !== "docker" || hasAll()) {
    expect(result).toMatchObject({ code: 0, stderr: "" });
    return false;
  }
  expect(result.code).toBeGreaterThan(124);
  expect(result.stdout + result.stderr).toMatch(/caps|capabilit/i);
  return true;
}
