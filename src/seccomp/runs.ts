/** Rules of one system call that stand together, so that what fails for one of them is not tried for each of the others. */

import type { Condition, Rule } from "./rules.ts";

/** What the rules of a run have in common at some condition: all of it, its argument and high half, or its argument. */
type Kind = "same" | "high" | "argument";

export interface Runs {
  readonly rules: readonly Rule[];
  /** For each kind and condition: by rule, the first rule behind its run. Made when it is first needed. */
  readonly ends: Map<string, readonly number[]>;
}

export function createRuns(rules: readonly Rule[]): Runs {
  return { rules, ends: new Map() };
}

/**
 * The first rule behind `rule` that differs from it before condition `at`, or is not of its run there. Runs of kind
 * "high" and "argument" are of comparisons for equality.
 */
export function endOfRun(runs: Runs, kind: Kind, rule: number, at: number): number {
  const key = `${kind} ${at}`;
  let ends = runs.ends.get(key);
  if (ends === undefined) {
    ends = findEnds(runs.rules, kind, at);
    runs.ends.set(key, ends);
  }
  return ends[rule]!;
}

function findEnds(rules: readonly Rule[], kind: Kind, at: number): readonly number[] {
  const ends: number[] = [];
  for (let rule = rules.length - 1; rule >= 0; rule--) {
    ends[rule] = isOneRun(rules[rule]!, rules[rule + 1], kind, at) ? ends[rule + 1]! : rule + 1;
  }
  return ends;
}

function isOneRun({ conditions }: Rule, next: Rule | undefined, kind: Kind, at: number): boolean {
  const ours = conditions[at];
  const theirs = next?.conditions[at];
  if (ours === undefined || theirs === undefined || sharedConditions(conditions, next!.conditions, at) < at)
    return false;
  if (kind === "same") return isSame(ours, theirs);
  return areEqualities(ours, theirs) && (kind === "argument" || ours.hi === theirs.hi);
}

/** How many conditions both begin with, of the first `most`. */
export function sharedConditions(a: readonly Condition[], b: readonly Condition[], most: number): number {
  let shared = 0;
  while (shared < most && isSame(a[shared]!, b[shared])) shared++;
  return shared;
}

/** Whether both compare one argument for equality. */
export function areEqualities(a: Condition, b: Condition): boolean {
  return a.op === "eq" && b.op === "eq" && a.arg === b.arg;
}

export function isSame(a: Condition, b: Condition | undefined): boolean {
  return (
    b !== undefined &&
    a.arg === b.arg &&
    a.op === b.op &&
    a.hi === b.hi &&
    a.lo === b.lo &&
    a.maskHi === b.maskHi &&
    a.maskLo === b.maskLo
  );
}
