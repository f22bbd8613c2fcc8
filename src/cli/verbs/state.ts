import { readState } from "../../container/state.ts";
import { type Call, containerId } from "../call.ts";
import { print } from "../log.ts";

export function stateVerb(call: Call): number {
  const state = readState(call.context.root, containerId(call));
  print(`${JSON.stringify(state, undefined, 2)}\n`);
  return 0;
}
