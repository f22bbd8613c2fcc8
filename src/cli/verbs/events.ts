import { stringifyStats } from "../../cgroups/stats.ts";
import { containerStats, followEvents } from "../../container/events.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { eventsOptions } from "../options.ts";

export function eventsVerb(call: Call): number {
  const options = eventsOptions(call);
  const { id } = options;
  if (options.stats) {
    print(`${stringifyStats({ type: "stats", id, data: containerStats(call.context, id) })}\n`);
    return 0;
  }
  for (const event of followEvents(call.context, options)) print(`${stringifyStats(event)}\n`);
  return 0;
}
