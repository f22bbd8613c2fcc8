/** What a run has found, for all formats. */
import type { Clause, Level } from "./clauses.ts";
import type { Failure, Runtime } from "./messages.ts";

export type Status = "passed" | "failed" | "skipped" | "known";

export interface CaseResult {
  readonly id: string;
  readonly file: string;
  readonly sentence: string;
  readonly level: Level;
  /** Ids of the clauses that it checks. */
  readonly clauses: readonly string[];
  readonly status: Status;
  readonly milliseconds: number;
  /** Of a skipped case what the machine lacks, of a known failure why. */
  readonly reason?: string;
  readonly failure?: Failure;
  /** The command that runs this case alone and keeps its bundle. */
  readonly repeat: string;
}

export interface RunResult {
  readonly runtime: Runtime;
  /** As it was given. */
  readonly command: string;
  readonly machine: { readonly kernel: string; readonly architecture: string; readonly cgroup: 1 | 2 };
  readonly started: string;
  readonly seconds: number;
  readonly cases: readonly CaseResult[];
  readonly clauses: readonly Clause[];
}

export function count(result: RunResult, status: Status): number {
  return result.cases.filter((found) => found.status === status).length;
}

/** Whether a case of a MUST has failed. */
export function hasFailedMust(result: RunResult): boolean {
  return result.cases.some(({ status, level }) => status === "failed" && level === "must");
}
