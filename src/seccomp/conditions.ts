/**
 * Code for the argument conditions of one system call. First all points that the evaluation can come to are found, then
 * the code of each is emitted, from the last to the first: jumps lead from a point to later ones only.
 */

import type { ArchInfo } from "./arches.ts";
import { type Assembler, emitAnd, emitJump, emitLoad, emitReturn, type Label } from "./assembler.ts";
import { DATA_ARGS, JEQ, JGE, JGT, JSET } from "./bpf.ts";
import type { Condition, Rule } from "./rules.ts";
import { areEqualities, createRuns, endOfRun, isSame, type Runs, sharedConditions } from "./runs.ts";

const FULL = 0xffffffff;
/** The accumulator holds nothing that can be used. */
const NOTHING = -1;

/** Everything that stays the same while the rules of one system call are looked at. */
interface Context {
  readonly info: ArchInfo;
  readonly rules: readonly Rule[];
  readonly runs: Runs;
  readonly fallback: number;
  /** What is done at each point found, by {@link keyOf}. */
  readonly steps: Map<number, Step | undefined>;
  /** Points found whose steps are not known yet. */
  readonly open: Point[];
}

/** A point in the evaluation: before half `half` (0 high, 1 low) of condition `condition` of rule `rule`. */
interface Point {
  readonly rule: number;
  readonly condition: number;
  readonly half: 0 | 1;
  /** Offset of the argument half in the accumulator, or {@link NOTHING}. */
  readonly loaded: number;
}

/** The key of a point, or the value that the filter returns. */
type Target = { readonly key: number } | { readonly ret: number };

type Step =
  | { readonly kind: "load"; readonly offset: number; readonly next: Target }
  | { readonly kind: "jump"; readonly code: number; readonly k: number; readonly yes: Target; readonly no: Target }
  | { readonly kind: "masked"; readonly mask: number; readonly k: number; readonly yes: Target; readonly no: Target }
  | {
      readonly kind: "order";
      readonly k: number;
      readonly equal: Target;
      readonly above: Target;
      readonly below: Target;
    };

/** The first of `rules` that holds decides; if none does, `fallback`. */
export function emitRules(asm: Assembler, info: ArchInfo, rules: readonly Rule[], fallback: number): Label {
  const context: Context = { info, rules, runs: createRuns(rules), fallback, steps: new Map(), open: [] };
  const start = target(context, { rule: 0, condition: 0, half: 0, loaded: NOTHING });
  for (let point = context.open.pop(); point !== undefined; point = context.open.pop()) {
    context.steps.set(keyOf(context, point), stepAt(context, point));
  }
  const labels = new Map<number, Label>();
  const labelOf = (to: Target) => ("ret" in to ? emitReturn(asm, to.ret) : labels.get(to.key)!);
  for (const key of [...context.steps.keys()].sort((a, b) => b - a)) {
    labels.set(key, emitStep(asm, context.steps.get(key)!, labelOf));
  }
  return labelOf(start);
}

/** In the order of the evaluation. */
function keyOf({ rules, info }: Context, { rule, condition, half, loaded }: Point): number {
  const isReady = loaded === offsetOf(rules[rule]!.conditions[condition]!, half, info);
  return ((rule * 6 + condition) * 2 + half) * 2 + (isReady ? 1 : 0);
}

/** Where the evaluation goes from `point`, which is noted if it is a new one. */
function target(context: Context, point: Point): Target {
  const rule = context.rules[point.rule];
  if (rule === undefined) return { ret: context.fallback };
  const condition = rule.conditions[point.condition];
  if (condition === undefined) return { ret: rule.ret };
  if (!isNeeded(condition, point.half, context.info)) return target(context, after(point, point.loaded));
  const key = keyOf(context, point);
  if (!context.steps.has(key)) {
    context.steps.set(key, undefined);
    context.open.push(point);
  }
  return { key };
}

/** The high half is looked at on 64-bit architectures only, and no half under an empty mask. */
function isNeeded({ maskHi, maskLo }: Condition, half: 0 | 1, { bits }: ArchInfo): boolean {
  return half === 0 ? bits === 64 && maskHi !== 0 : maskLo !== 0;
}

function offsetOf({ arg }: Condition, half: 0 | 1, { bigEndian }: ArchInfo): number {
  return DATA_ARGS + arg * 8 + ((half === 0) === bigEndian ? 0 : 4);
}

/** Behind the half at `point`, which held: before the low half, or before the next condition. */
function after(point: Point, loaded: number): Point {
  return point.half === 0
    ? { ...point, half: 1, loaded }
    : { rule: point.rule, condition: point.condition + 1, half: 0, loaded };
}

function stepAt(context: Context, point: Point): Step {
  const condition = context.rules[point.rule]!.conditions[point.condition]!;
  const offset = offsetOf(condition, point.half, context.info);
  if (point.loaded === offset) return testAt(context, point, condition);
  return { kind: "load", offset, next: target(context, { ...point, loaded: offset }) };
}

function testAt(context: Context, point: Point, condition: Condition): Step {
  const isHigh = point.half === 0;
  const k = isHigh ? condition.hi : condition.lo;
  const next = target(context, after(point, point.loaded));
  const holds = () => target(context, { ...point, condition: point.condition + 1, half: 0 });
  const fails = () => failure(context, point, point.loaded);
  switch (condition.op) {
    case "eq":
      return jump(JEQ, k, next, fails());
    case "masked":
      return maskedTest(context, point, k, isHigh ? condition.maskHi : condition.maskLo);
    case "ne":
      return isHigh ? jump(JEQ, k, next, holds()) : jump(JEQ, k, fails(), holds());
    case "gt":
    case "ge":
      if (isHigh) return order(k, next, holds(), fails());
      return jump(condition.op === "gt" ? JGT : JGE, k, holds(), fails());
    case "lt":
    case "le":
      if (isHigh) return order(k, next, fails(), holds());
      return jump(condition.op === "lt" ? JGE : JGT, k, fails(), holds());
  }
}

function jump(code: number, k: number, yes: Target, no: Target): Step {
  return { kind: "jump", code, k, yes, no };
}

/** High half equal to, above or below `k`. */
function order(k: number, equal: Target, above: Target, below: Target): Step {
  return k === 0 ? jump(JEQ, 0, equal, above) : { kind: "order", k, equal, above, below };
}

function maskedTest(context: Context, point: Point, k: number, mask: number): Step {
  const yes = (loaded: number) => target(context, after(point, loaded));
  const no = (loaded: number) => failure(context, point, loaded);
  if (mask === FULL) return jump(JEQ, k, yes(point.loaded), no(point.loaded));
  // JSET leaves the accumulator as it is and saves an instruction where one bit, or none, is to be found.
  if (k === 0) return jump(JSET, mask, no(point.loaded), yes(point.loaded));
  const isOneBit = (mask & (mask - 1)) === 0;
  if (isOneBit) return jump(JSET, mask, yes(point.loaded), no(point.loaded));
  return { kind: "masked", mask, k, yes: yes(NOTHING), no: no(NOTHING) };
}

/**
 * Where to go on when the test at `point` failed: the first later rule that is not known to fail too, behind the
 * conditions that are known to hold. So rules that differ in their last value only cost one comparison each.
 */
function failure(context: Context, point: Point, loaded: number): Target {
  const { rules, runs, info } = context;
  const failed = rules[point.rule]!.conditions;
  for (let rule = point.rule + 1; rule < rules.length; ) {
    const { conditions } = rules[rule]!;
    const shared = sharedConditions(failed, conditions, point.condition);
    const ours = failed[shared]!;
    const theirs = conditions[shared];
    const here: Point = { rule, condition: shared, half: 0, loaded };
    if (theirs === undefined) return target(context, here);
    if (shared < point.condition) {
      if (!isOtherValue(ours, theirs, info)) return target(context, here);
      rule = endOfRun(runs, "argument", rule, shared);
    } else if (isSame(ours, theirs)) {
      rule = endOfRun(runs, "same", rule, shared);
    } else if (areEqualities(ours, theirs) && info.bits === 64) {
      const sameHigh = ours.hi === theirs.hi;
      if (point.half === 0 && !sameHigh) return target(context, here);
      if (point.half === 1 && sameHigh) return target(context, { ...here, half: 1 });
      rule = endOfRun(runs, sameHigh ? "high" : "argument", rule, shared);
    } else {
      return target(context, here);
    }
  }
  return { ret: context.fallback };
}

/** Whether `b` cannot hold where `a` does. Rules are in an order in which all others of such a run cannot either. */
function isOtherValue(a: Condition, b: Condition, { bits }: ArchInfo): boolean {
  return areEqualities(a, b) && (a.lo !== b.lo || (bits === 64 && a.hi !== b.hi));
}

function emitStep(asm: Assembler, step: Step, labelOf: (to: Target) => Label): Label {
  switch (step.kind) {
    case "load":
      return emitLoad(asm, step.offset, labelOf(step.next));
    case "jump":
      return emitJump(asm, step.code, step.k, labelOf(step.yes), labelOf(step.no));
    case "masked":
      return emitAnd(asm, step.mask, emitJump(asm, JEQ, step.k, labelOf(step.yes), labelOf(step.no)));
    case "order": {
      const [above, equal, below] = [labelOf(step.above), labelOf(step.equal), labelOf(step.below)];
      return emitJump(asm, JGT, step.k, above, emitJump(asm, JEQ, step.k, equal, below));
    }
  }
}
