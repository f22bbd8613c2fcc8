/** Which function does which verb. */

import { TsruncError } from "../errors.ts";
import type { VerbMain } from "./call.ts";
import type { VerbName } from "./table.ts";
import { completionVerb } from "./verbs/completion.ts";
import { createVerb } from "./verbs/create.ts";
import { deleteVerb } from "./verbs/delete.ts";
import { featuresVerb } from "./verbs/features.ts";
import { killVerb } from "./verbs/kill.ts";
import { listVerb } from "./verbs/list.ts";
import { planVerb } from "./verbs/plan.ts";
import { runVerb } from "./verbs/run.ts";
import { specVerb } from "./verbs/spec.ts";
import { startVerb } from "./verbs/start.ts";
import { stateVerb } from "./verbs/state.ts";

const VERBS: Partial<Record<VerbName, VerbMain>> = {
  completion: completionVerb,
  create: createVerb,
  delete: deleteVerb,
  kill: killVerb,
  run: runVerb,
  start: startVerb,
  features: featuresVerb,
  list: listVerb,
  plan: planVerb,
  spec: specVerb,
  state: stateVerb,
};

export function verbMain(name: VerbName): VerbMain {
  const verb = VERBS[name];
  if (verb === undefined) throw new TsruncError("unsupported", `\`${name}\` is not supported by this version`);
  return verb;
}
