/** The last words of a verb that tsrunc-init carried out: failures, warnings, exit status. */
import { formatError } from "../errors.ts";
import { readOutcome } from "../init/reporter.ts";
import { openLog } from "./log.ts";

/** @returns the exit status. */
export function reportOutcome(fd: number): number {
  const { context, failures, warnings, status } = readOutcome(fd);
  const log = openLog({
    format: context.logFormat,
    debug: context.debug,
    ...(context.logPath === undefined ? {} : { path: context.logPath }),
  });
  for (const warning of warnings) log.warn(formatError(warning));
  for (const failure of failures) log.error(formatError(failure));
  return status;
}
