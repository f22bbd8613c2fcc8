/** Profiles whose SCMP_ACT_NOTIFY would stop the container from ever starting. */

import type { Problem } from "../errors.ts";
import type { Seccomp } from "../spec/types.ts";

/**
 * Places in a profile that would deadlock: calls that must be made before the agent has the listener would wait for
 * the agent. `needed` names those of the program that loads the filter. tsrunc-init makes none: a process that is not
 * under the filter takes the listener from it (runc needs `write`). What init calls after that waits for the agent,
 * which can answer.
 *
 * Like runc, an entry is refused for its name alone: its `args` would have to be known not to match that call.
 */
export function listenerProblems(
  seccomp: Seccomp,
  needed: readonly string[] = [],
  at = "/linux/seccomp",
): readonly Problem[] {
  const problems: Problem[] = [];
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY") {
    problems.push({ at: `${at}/defaultAction`, message: "`SCMP_ACT_NOTIFY` cannot be the default action" });
  }
  seccomp.syscalls?.forEach((entry, i) => {
    if (entry.action !== "SCMP_ACT_NOTIFY") return;
    entry.names.forEach((name, j) => {
      if (!needed.includes(name)) return;
      const message = `\`SCMP_ACT_NOTIFY\` on \`${name}\` would stop the container before the agent has the listener`;
      problems.push({ at: `${at}/syscalls/${i}/names/${j}`, message });
    });
  });
  return problems;
}
