import { createContainer } from "../../container/create.ts";
import { type Call, timedContext } from "../call.ts";
import { createOptions } from "../options.ts";

export function createVerb(call: Call): number | Promise<number> {
  return createContainer(timedContext(call, "create"), createOptions(call));
}
