import * as path from "node:path";
import { prepareCreate } from "../../container/create.ts";
import { absolutePath } from "../../container/paths.ts";
import { isValidId } from "../../container/store.ts";
import { programJson, programText } from "../../program/print.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { runOptions } from "../options.ts";

export function planVerb(call: Call): number {
  const format = call.flags.oneOf("format", ["text", "json"]) ?? "text";
  const asked = runOptions(call);
  const options = { ...asked, id: asked.id === "" ? idFor(asked.bundle) : asked.id };
  const mode = call.flags.bool("create") ? "create" : options.detach ? "run-detached" : "run";
  const { program, warnings } = prepareCreate(call.context, options, mode, options);
  for (const warning of warnings) call.context.log.warn(warning);
  print(format === "json" ? `${JSON.stringify(programJson(program), undefined, 2)}\n` : programText(program));
  return 0;
}

/** The id matters to a program only by the names of its directory and cgroup. */
function idFor(bundle: string): string {
  const name = path.basename(absolutePath(bundle, "flag `--bundle`"));
  return isValidId(name) ? name : "plan";
}
