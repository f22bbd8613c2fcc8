/** Profiles whose SCMP_ACT_NOTIFY would stop the container from ever starting. */

import type { Problem } from "../errors.ts";
import type { Seccomp } from "../spec/types.ts";

/**
 * What the container's init calls after it has loaded the filter and before the launcher has fetched the listener
 * (pidfd_getfd(2)): a message on the sync channel. If that waits for the agent, nobody ever gives the agent the
 * listener.
 */
export const CALLS_BEFORE_DELIVERY: readonly string[] = ["write"];

/** What init calls after that. An agent that answers lets it go on, as under runc: not a deadlock. */
export const CALLS_AFTER_DELIVERY: readonly string[] = ["prctl", "close", "execve", "exit_group"];

/**
 * Places in a profile that would deadlock. Like runc, an entry is refused for its name alone: its `args` would have
 * to be known not to match init's own call. `needed`: calls that must not wait for the agent.
 */
export function listenerProblems(
  seccomp: Seccomp,
  needed: readonly string[] = CALLS_BEFORE_DELIVERY,
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
