/** The hidden verb by which tsrunc-init reaches systemd: `__systemd start|set|stop`, the request on standard input. */
import * as fs from "node:fs";
import process from "node:process";
import type { Action, Request } from "../cgroups/systemd/request.ts";
import { perform } from "../cgroups/systemd/unit.ts";
import { TsruncError } from "../errors.ts";
import { describeError } from "./errors.ts";

function isAction(word: string | undefined): word is Action {
  return word === "start" || word === "set" || word === "stop";
}

/** @returns the exit status; what went wrong is one line on stderr, which the launcher passes on. */
export function systemdVerb(action: string | undefined): number {
  try {
    if (!isAction(action)) throw new TsruncError("usage", "`__systemd` is for tsrunc-init");
    // The launcher starts it in the bundle, where somebody else's libraries may lie.
    process.chdir("/");
    const text = fs.readFileSync(0, "utf8");
    const end = text.indexOf("\n");
    perform(action, JSON.parse(text.slice(end + 1)) as Request, Number(text.slice(0, end)));
    return 0;
  } catch (error) {
    fs.writeSync(2, `${describeError(error)}\n`);
    return 1;
  }
}
