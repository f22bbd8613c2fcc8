import { pauseContainer } from "../../container/pause.ts";
import { type Call, containerId } from "../call.ts";

export function pauseVerb(call: Call): number | Promise<number> {
  return pauseContainer(call.context, containerId(call));
}
