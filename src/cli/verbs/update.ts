import { updateContainer } from "../../container/update.ts";
import type { Call } from "../call.ts";
import { updateOptions } from "../options.ts";

export function updateVerb(call: Call): number | Promise<number> {
  return updateContainer(call.context, updateOptions(call));
}
