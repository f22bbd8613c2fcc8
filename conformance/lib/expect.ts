/**
 * Assertions: Jest's library of that name, in the suite's own runner. Bun's test runner has its own of the same kind, and
 * does not let that library be loaded.
 */
import type { Expect } from "expect";

async function load(): Promise<Expect> {
  if (process.env.CONFORMANCE_RUNNER !== undefined) return (await import("expect")).expect;
  return (await import("bun:test")).expect as unknown as Expect;
}

export const expect: Expect = await load();
