/** Where the time of a verb goes before tsrunc-init takes over, for `--timings`. Costs nothing while it is off. */
import process from "node:process";
import type { StartTime } from "./host.ts";

/** Nanoseconds of CLOCK_MONOTONIC, as tsrunc-init counts. */
export interface Phase {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

let phases: Phase[] | undefined;
let last = 0;
/** Bun's clocks count from its own start: wall time leads from them to CLOCK_MONOTONIC. */
let offset = 0;

function now(): number {
  // 2^53 ns are 104 days of uptime to the nanosecond, and beyond that still to the microsecond.
  if (offset === 0) return Number(process.hrtime.bigint());
  return (performance.timeOrigin + performance.now()) * 1e6 + offset;
}

/** Begins to measure. `since`: when the process began; the time up to now is the engine's start. */
export function startTiming(since: StartTime | undefined): void {
  phases = [];
  offset = since === undefined ? 0 : since.monotonicNs - since.wallNs;
  last = since?.monotonicNs ?? now();
  mark("start of the engine");
}

/** Ends a phase: what was done since the last mark is called `name`. */
export function mark(name: string): void {
  if (phases === undefined) return;
  const end = now();
  phases.push({ name, start: last, end });
  last = end;
}

/** All phases up to now; undefined when nothing is measured. */
export function timedPhases(): readonly Phase[] | undefined {
  return phases;
}
