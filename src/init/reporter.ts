/** The other end of {@link become}: a fresh process that reads what went wrong and says so. */
import * as fs from "node:fs";
import type { TsruncError } from "../errors.ts";
import { LITTLE, viewOf } from "../sys/endian.ts";
import type { ReportContext } from "./launch.ts";
import { type Label, opError, type Report, readReports, withRest } from "./report.ts";

const CONTEXT_AT = 64;

export interface Outcome {
  readonly context: ReportContext;
  readonly failures: readonly TsruncError[];
  readonly warnings: readonly TsruncError[];
  readonly timings: readonly Report[];
  /** All of them. */
  readonly reports: readonly Report[];
  /** The process that was left running. */
  readonly child: Report | undefined;
  /** Exit status of the whole. */
  readonly status: number;
}

/** Reads a program's file through its descriptor. */
export function readOutcome(fd: number): Outcome {
  const size = fs.fstatSync(fd).size;
  const file = Buffer.alloc(size);
  fs.readSync(fd, file, 0, size, 0);
  const view = viewOf(file);
  const [offset, length] = [view.getUint32(CONTEXT_AT, LITTLE), view.getUint32(CONTEXT_AT + 4, LITTLE)];
  const context = JSON.parse(file.toString("utf8", offset, offset + length)) as ReportContext;
  const reports = readReports(file, view.getUint32(8, LITTLE));
  const errors = (kind: Report["kind"]) =>
    reports.filter((r) => r.kind === kind).map((r) => opError(r, reportLabel(r, context)));
  const failures = withRest(errors("failure"), reports, context);
  const status = reports.find((r) => r.kind === "status")?.aux ?? 1;
  return {
    context,
    failures,
    warnings: errors("warning"),
    reports,
    timings: reports.filter((r) => r.kind === "timing"),
    child: reports.find((r) => r.kind === "child"),
    status: failures.length > 0 ? context.failureStatus : status,
  };
}

/** What is known of the op that a report is about. */
export function reportLabel(
  report: Report,
  { labels, initLabels }: Pick<ReportContext, "labels" | "initLabels">,
): Label | undefined {
  if (report.list === "init" && initLabels !== undefined) return initLabels.labels[report.index - initLabels.first];
  return labels[report.list]?.[report.index];
}
