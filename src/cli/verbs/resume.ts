import { resumeContainer } from "../../container/pause.ts";
import { type Call, containerId } from "../call.ts";

export function resumeVerb(call: Call): number | Promise<number> {
  return resumeContainer(call.context, containerId(call));
}
