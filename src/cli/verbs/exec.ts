import { execContainer } from "../../container/exec.ts";
import type { Call } from "../call.ts";
import { execOptions } from "../options.ts";

export function execVerb(call: Call): number | Promise<number> {
  return execContainer(call.context, execOptions(call));
}
