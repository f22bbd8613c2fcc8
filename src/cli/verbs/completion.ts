import type { Call } from "../call.ts";
import { completionScript } from "../help.ts";
import { print } from "../log.ts";

export async function completionVerb(call: Call): Promise<number> {
  print(await completionScript(call.context.programName));
  return 0;
}
