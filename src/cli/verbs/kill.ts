import { killContainer } from "../../container/kill.ts";
import type { Call } from "../call.ts";
import { killOptions } from "../options.ts";

export function killVerb(call: Call): number | Promise<number> {
  return killContainer(call.context, killOptions(call));
}
