/** Help, as the build has rendered it from the command table (scripts/generate-help.ts). */

import { HELP } from "../generated/help.ts";
import { versionText } from "../version.ts";
import type { VerbName } from "./table.ts";

/** Help of one verb, or of the program. */
export function helpText(programName: string, verb: VerbName | undefined): string {
  const version = versionText(programName).trimEnd().replaceAll("\n", "\n   ");
  return HELP[verb ?? ""].replaceAll(/\{program\}|\{version\}/g, (word) =>
    word === "{program}" ? programName : version,
  );
}
