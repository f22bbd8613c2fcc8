import { runContainer } from "../../container/create.ts";
import type { Call } from "../call.ts";
import { runOptions } from "../options.ts";

export function runVerb(call: Call): number | Promise<number> {
  return runContainer(call.context, runOptions(call));
}
