import { execContainer } from "../../container/exec.ts";
import { type Call, timedContext } from "../call.ts";
import { execOptions } from "../options.ts";

export function execVerb(call: Call): number | Promise<number> {
  return execContainer(timedContext(call, "exec"), execOptions(call));
}
