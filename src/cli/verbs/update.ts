import { updateContainer, wantedResources } from "../../container/update.ts";
import { type Call, containerId } from "../call.ts";
import { updateOptions } from "../options.ts";

export function updateVerb(call: Call): number | Promise<number> {
  const { context } = call;
  const options = updateOptions(call);
  return updateContainer(context, containerId(call), wantedResources(context, options), options);
}
