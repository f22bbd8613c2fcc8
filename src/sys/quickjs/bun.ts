/** Stands for the modules of what only Bun can do: before anything has been done, the process begins anew in Bun. */
import { TsruncError } from "../../errors.ts";
import { host } from "./host.ts";

/** @throws TsruncError `unsupported` where a limit of the process is too small for Bun */
function inBun(): never {
  throw new TsruncError("unsupported", host.startBun());
}

/** An error can be told without it. */
export async function suggestion(): Promise<never> {
  return inBun();
}

export const helpText = inBun;
export const completions = inBun;
export const completionScript = inBun;
export const completionVerb = inBun;
export const systemdVerb = inBun;
