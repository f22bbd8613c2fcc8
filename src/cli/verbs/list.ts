import { listContainers, listTable } from "../../container/list.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";

export function listVerb(call: Call): number {
  const format = call.flags.oneOf("format", ["table", "json"]) ?? "table";
  const states = listContainers(call.context);
  if (call.flags.bool("quiet")) print(states.map((state) => `${state.id}\n`).join(""));
  else if (format === "json") print(`${JSON.stringify(states)}\n`);
  else print(listTable(states));
  return 0;
}
