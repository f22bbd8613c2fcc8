/** Stands for the modules of what only Bun can do: before anything has been done, the process begins anew in Bun. */
import { host } from "./host.ts";

function inBun(): never {
  return host.startBun();
}

export const helpText = inBun;
export const suggestion = inBun;
export const completions = inBun;
export const completionScript = inBun;
export const psVerb = inBun;
export const eventsVerb = inBun;
export const completionVerb = inBun;
export const systemdVerb = inBun;
