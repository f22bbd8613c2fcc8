import type { Call } from "../call.ts";
import { completionScript, type Shell } from "../completion-scripts.ts";
import { print } from "../log.ts";

export function completionVerb({ context, args }: Call): number {
  // The parser has made sure that it is one of the shells.
  const shell = (args[0] ?? "bash") as Shell;
  print(completionScript(context.programName, shell));
  return 0;
}
