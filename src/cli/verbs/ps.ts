import { containerProcesses, processTable } from "../../container/ps.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { psOptions } from "../options.ts";

export function psVerb(call: Call): number {
  const { id, format, args } = psOptions(call);
  const pids = containerProcesses(call.context, id);
  print(format === "json" ? `${JSON.stringify(pids)}\n` : processTable(pids, args));
  return 0;
}
