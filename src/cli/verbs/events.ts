import { containerEvents } from "../../container/events.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { eventsOptions } from "../options.ts";

export async function eventsVerb(call: Call): Promise<number> {
  await containerEvents(call.context, eventsOptions(call), (line) => print(`${line}\n`));
  return 0;
}
