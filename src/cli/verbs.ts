/** Which function does which verb. */

import { TsruncError } from "../errors.ts";
import type { VerbMain } from "./call.ts";
import type { VerbName } from "./table.ts";
import { completionVerb } from "./verbs/completion.ts";
import { featuresVerb } from "./verbs/features.ts";
import { listVerb } from "./verbs/list.ts";
import { specVerb } from "./verbs/spec.ts";
import { stateVerb } from "./verbs/state.ts";

const VERBS: Partial<Record<VerbName, VerbMain>> = {
  completion: completionVerb,
  features: featuresVerb,
  list: listVerb,
  spec: specVerb,
  state: stateVerb,
};

export function verbMain(name: VerbName): VerbMain {
  const verb = VERBS[name];
  if (verb === undefined) throw new TsruncError("unsupported", `\`${name}\` is not supported by this version`);
  return verb;
}
