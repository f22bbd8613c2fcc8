import { runContainer } from "../../container/create.ts";
import { type Call, timedContext } from "../call.ts";
import { runOptions } from "../options.ts";

export function runVerb(call: Call): number | Promise<number> {
  return runContainer(timedContext(call, "run"), runOptions(call));
}
