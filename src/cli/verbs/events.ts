import { stringifyStats } from "../../cgroups/stats.ts";
import { containerEvents, containerStats, type Watch } from "../../container/events.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { eventsOptions } from "../options.ts";

export async function eventsVerb(call: Call): Promise<number> {
  const options = eventsOptions(call);
  const { id } = options;
  if (options.stats) {
    print(`${stringifyStats({ type: "stats", id, data: containerStats(call.context, id) })}\n`);
    return 0;
  }
  // For the moment at which the container ends: an engine may remove its cgroup a few milliseconds later.
  const watch: Watch = async (process) => {
    const { InitServer } = await import("../../init/server.ts");
    await new InitServer({ initFd: call.context.initFd }).watch(process);
  };
  for await (const event of containerEvents(call.context, options, watch)) print(`${stringifyStats(event)}\n`);
  return 0;
}
