import * as path from "node:path";
import process from "node:process";
import { isStandalone } from "../host.ts";
import type { LaunchOptions } from "../init/launch.ts";
import type { Context } from "./context.ts";

/** How the command line starts tsrunc-init. Called before the working directory changes. */
export function launchOptions(context: Context, id: string, failureStatus = 1): LaunchOptions {
  return {
    id,
    reporter: reporter(context.programName),
    logPath: context.logPath === undefined ? undefined : path.resolve(context.logPath),
    logFormat: context.logFormat,
    debug: context.debug,
    failureStatus,
    fileSize: context.fileSize,
    timings: context.timings,
  };
}

/** This program again, by its path: [path, argv…]. Under Node the script comes between. */
function reporter(programName: string): string[] {
  if (isStandalone()) return [process.execPath, programName, "__report"];
  return [process.execPath, "node", process.argv[1] ?? "", "__report"];
}
