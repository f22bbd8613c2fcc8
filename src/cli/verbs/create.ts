import { createContainer } from "../../container/create.ts";
import type { Call } from "../call.ts";
import { createOptions } from "../options.ts";

export function createVerb(call: Call): number | Promise<number> {
  return createContainer(call.context, createOptions(call));
}
