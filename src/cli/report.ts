/** The last words of a verb that tsrunc-init carried out: failures, warnings, exit status. */
import * as fs from "node:fs";
import { formatError } from "../errors.ts";
import type { TimingOutput } from "../init/launch.ts";
import { events } from "../init/narrative.ts";
import { type Outcome, readOutcome } from "../init/reporter.ts";
import { timingRows, timingSvg, timingText } from "../init/waterfall.ts";
import { openLog, printError } from "./log.ts";

/** @returns the exit status. */
export function reportOutcome(fd: number): number {
  const outcome = readOutcome(fd);
  const { context, failures, warnings, status } = outcome;
  const log = openLog({
    format: context.logFormat,
    debug: context.debug,
    ...(context.logPath === undefined ? {} : { path: context.logPath }),
  });
  if (context.debug) for (const { text, time } of events(outcome)) log.debug(text, time);
  for (const warning of warnings) log.warn(formatError(warning));
  if (context.timings !== undefined) writeTimings(context.timings, outcome);
  for (const failure of failures) {
    // What execve said is the end of the container's own output, as with runc: engines show it to users as it is.
    if (failure.code === "op" && failure.message.startsWith("exec /") && log.path === undefined) {
      printError(failure.message);
    } else log.error(formatError(failure));
  }
  return status;
}

function writeTimings({ text, svg, title }: TimingOutput, { context, timings }: Outcome): void {
  const rows = timingRows(context.phases ?? [], timings, context.labels);
  if (text) fs.writeSync(2, timingText(rows));
  if (svg !== undefined) fs.writeFileSync(svg, timingSvg(rows, title));
}
