/** What tsrunc-init did, for `--debug`: of the ops that have a note, in the order of time. */
import process from "node:process";
import { PID } from "../program/ops.ts";
import type { Outcome } from "./reporter.ts";

export interface Event {
  readonly text: string;
  readonly time: Date;
}

export function events({ context, reports, timings, child, status }: Outcome): Event[] {
  const { notes = {}, labels } = context;
  const [wall, monotonic] = [Date.now(), Number(process.hrtime.bigint())];
  const failed = new Set(
    reports.filter((r) => r.kind === "failure" || r.kind === "warning").map((r) => `${r.list} ${r.index}`),
  );
  const sorted = [...timings].sort((a, b) => Number(a.endNs - b.endNs));
  return sorted.flatMap((report) => {
    const { list, index, startNs, endNs } = report;
    const note = notes[list]?.[index];
    if (note === undefined) return [];
    const [op, what] = labels[list]?.[index] ?? [];
    const ms = (Number(endNs - startNs) / 1e6).toFixed(1);
    let text = note.replaceAll(PID, `${child?.aux ?? "unknown"}`);
    if (op === "supervise") text += ` with status ${status}`;
    if (failed.has(`${list} ${index}`)) text = `${what ?? op ?? "op"}: failed`;
    if (op === "spawn") text += ` after ${ms} ms`;
    return [{ text, time: new Date(wall - (monotonic - Number(endNs)) / 1e6) }];
  });
}
