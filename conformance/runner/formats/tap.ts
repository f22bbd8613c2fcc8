/** Test Anything Protocol, version 14. */
import type { CaseResult, RunResult } from "../result.ts";

function line(found: CaseResult, number: number): string {
  const name = found.id.replaceAll("\\", "\\\\").replaceAll("#", "\\#");
  if (found.status === "skipped") return `ok ${number} - ${name} # SKIP ${found.reason}`;
  if (found.status === "known") return `not ok ${number} - ${name} # TODO ${found.reason}`;
  if (found.failure === undefined) return `ok ${number} - ${name}`;
  const data = { level: found.level, clauses: found.clauses, ...found.failure, repeat: found.repeat };
  const yaml = Object.entries(data).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`);
  return [`not ok ${number} - ${name}`, "  ---", ...yaml, "  ..."].join("\n");
}

export function tap(result: RunResult): string {
  return `TAP version 14\n1..${result.cases.length}\n${result.cases.map((found, i) => line(found, i + 1)).join("\n")}\n`;
}
