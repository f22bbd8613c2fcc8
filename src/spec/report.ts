import type { Problem } from "../errors.ts";

/** Where the checks put what they find. */
export interface Report {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** Something the kernel or the specification will not have. */
export function error(report: Report, at: string, message: string): void {
  report.problems.push({ at, message });
}

/** Something that works, but hardly as its author meant it. */
export function warn(report: Report, at: string, message: string): void {
  report.warnings.push({ at, message });
}
