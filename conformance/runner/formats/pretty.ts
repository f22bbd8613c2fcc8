/** For people, in a terminal or a log. */
import { type CaseResult, count, hasFailedMust, type RunResult } from "../result.ts";

function indent(text: string, by: string): string {
  return text.replaceAll(/^(?=.)/gm, by);
}

function describe({ id, level, clauses, failure, repeat }: CaseResult): string {
  const lines = [`✗ ${id}`, `    ${level}${clauses.length === 0 ? "" : `: ${clauses.join(", ")}`}`];
  if (failure === undefined) return lines.join("\n");
  lines.push(`    ${failure.message}${failure.place === "" ? "" : `  (${failure.place})`}`);
  if (failure.detail !== "") lines.push(indent(failure.detail, "      "));
  for (const { fragment } of failure.configs) lines.push(`    config.json: ${JSON.stringify(fragment)}`);
  const last = failure.calls.at(-1);
  if (last !== undefined) lines.push(`    last command: ${last.words.join(" ")}  → ${last.status}`);
  lines.push(`    again: ${repeat}`);
  return lines.join("\n");
}

function byReason(cases: readonly CaseResult[]): readonly string[] {
  const reasons = new Map<string, number>();
  for (const { reason = "" } of cases) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return [...reasons].map(([reason, n]) => `  ${n} for want of ${reason}`);
}

export function pretty(result: RunResult): string {
  const of = (status: CaseResult["status"]) => result.cases.filter((found) => found.status === status);
  const failed = of("failed");
  const skipped = of("skipped");
  const lines = failed.map(describe);
  if (skipped.length > 0) lines.push(`skipped on this machine:`, ...byReason(skipped));
  const known = count(result, "known");
  if (known > 0) lines.push(`${known} failures are known of this version of ${result.runtime.name}`);
  const musts = failed.filter(({ level }) => level === "must").length;
  lines.push(
    `${result.runtime.name} ${result.runtime.version}, Linux ${result.machine.kernel}, cgroup v${result.machine.cgroup}, ${result.seconds.toFixed(1)} s`,
    hasFailedMust(result) ? `does not conform: ${musts} cases of a MUST failed` : "every MUST that was checked is kept",
    `${count(result, "passed") + known} passed, ${failed.length} failed, ${skipped.length} skipped`,
  );
  return `${lines.join("\n")}\n`;
}
