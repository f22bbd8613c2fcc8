/** Which function does which verb. */

import { TsruncError } from "../errors.ts";
import type { VerbMain } from "./call.ts";
import type { VerbName } from "./table.ts";

/** Loading all of them costs 1 ms of every start, most of it the validators'; one by one, nothing (measured). */
const VERBS: Partial<Record<VerbName, () => Promise<VerbMain>>> = {
  create: async () => (await import("./verbs/create.ts")).createVerb,
  start: async () => (await import("./verbs/start.ts")).startVerb,
  run: async () => (await import("./verbs/run.ts")).runVerb,
  state: async () => (await import("./verbs/state.ts")).stateVerb,
  kill: async () => (await import("./verbs/kill.ts")).killVerb,
  delete: async () => (await import("./verbs/delete.ts")).deleteVerb,
  exec: async () => (await import("./verbs/exec.ts")).execVerb,
  list: async () => (await import("./verbs/list.ts")).listVerb,
  ps: async () => (await import("./verbs/ps.ts")).psVerb,
  events: async () => (await import("./verbs/events.ts")).eventsVerb,
  update: async () => (await import("./verbs/update.ts")).updateVerb,
  pause: async () => (await import("./verbs/pause.ts")).pauseVerb,
  resume: async () => (await import("./verbs/resume.ts")).resumeVerb,
  seccomp: async () => (await import("./verbs/seccomp.ts")).seccompVerb,
  spec: async () => (await import("./verbs/spec.ts")).specVerb,
  features: async () => (await import("./verbs/features.ts")).featuresVerb,
  check: async () => (await import("./verbs/check.ts")).checkVerb,
  plan: async () => (await import("./verbs/plan.ts")).planVerb,
  completion: async () => (await import("./verbs/completion.ts")).completionVerb,
};

/** @throws TsruncError `unsupported` */
export async function loadVerb(name: VerbName): Promise<VerbMain> {
  const load = VERBS[name];
  if (load === undefined) throw new TsruncError("unsupported", `\`${name}\` is not supported by this version`);
  return load();
}

/** All verbs at once, for a host whose memory is made at build time. */
export async function loadAll(): Promise<void> {
  for (const load of Object.values(VERBS)) await load();
}
