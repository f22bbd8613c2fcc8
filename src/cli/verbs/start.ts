import { startContainer } from "../../container/start.ts";
import { type Call, containerId } from "../call.ts";

export function startVerb(call: Call): number | Promise<number> {
  return startContainer(call.context, containerId(call));
}
