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

/** `entries()` in a loop costs ten times as much where it runs for the first time, as all code here does. */
export function each<T>(list: readonly T[] | undefined, visit: (item: T, index: number) => void): void {
  if (list === undefined) return;
  for (let index = 0; index < list.length; index++) visit(list[index] as T, index);
}

/** Length in UTF-8. Short texts are not measured: loading `Buffer` is not free. */
export function exceedsBytes(text: string, limit: number): boolean {
  return text.length * 3 > limit && Buffer.byteLength(text) > limit;
}
