/** Code for the argument conditions of one system call. */

import type { ArchInfo } from "./arches.ts";
import { type Assembler, emitAnd, emitJump, emitLoad, emitReturn, type Label } from "./assembler.ts";
import { DATA_ARGS, JEQ, JGE, JGT, JSET } from "./bpf.ts";
import type { Condition, Rule } from "./rules.ts";

const FULL = 0xffffffff;
/** The accumulator holds nothing that can be used. */
const NOTHING = -1;

/**
 * Where a rule fails, the code of the next one is emitted first, by recursion. Of many rules some are emitted ahead,
 * from the last to the first, so that the stack stays small.
 */
const RECURSION = 100;

/** Everything that stays the same while the rules of one system call are emitted. */
interface Context {
  readonly asm: Assembler;
  readonly info: ArchInfo;
  readonly rules: readonly Rule[];
  readonly fallback: number;
  /** Entry points already emitted. */
  readonly entries: Map<string, Label>;
}

/** A point in the evaluation: before half `half` (0 high, 1 low) of condition `condition` of rule `rule`. */
interface Point {
  readonly rule: number;
  readonly condition: number;
  readonly half: 0 | 1;
  /** Offset of the argument half in the accumulator, or {@link NOTHING}. */
  readonly loaded: number;
}

/** The first of `rules` that holds decides; if none does, `fallback`. */
export function emitRules(asm: Assembler, info: ArchInfo, rules: readonly Rule[], fallback: number): Label {
  const context: Context = { asm, info, rules, fallback, entries: new Map() };
  const start: Point = { rule: 0, condition: 0, half: 0, loaded: NOTHING };
  for (let rule = rules.length - RECURSION; rule > 0; rule -= RECURSION) emitPoint(context, { ...start, rule });
  return emitPoint(context, start);
}

function emitPoint(context: Context, point: Point): Label {
  const rule = context.rules[point.rule];
  if (rule === undefined) return emitReturn(context.asm, context.fallback);
  const condition = rule.conditions[point.condition];
  if (condition === undefined) return emitReturn(context.asm, rule.ret);
  if (!isNeeded(condition, point.half, context.info)) return emitPoint(context, after(point, point.half, point.loaded));
  const offset = offsetOf(condition, point.half, context.info);
  const ready = point.loaded === offset;
  const key = `${point.rule}.${point.condition}.${point.half}.${ready}`;
  let label = context.entries.get(key);
  if (label === undefined) {
    label = ready
      ? emitTest(context, point, condition)
      : emitLoad(context.asm, offset, emitPoint(context, { ...point, loaded: offset }));
    context.entries.set(key, label);
  }
  return label;
}

/** The high half is looked at on 64-bit architectures only, and no half under an empty mask. */
function isNeeded({ maskHi, maskLo }: Condition, half: 0 | 1, { bits }: ArchInfo): boolean {
  return half === 0 ? bits === 64 && maskHi !== 0 : maskLo !== 0;
}

function offsetOf({ arg }: Condition, half: 0 | 1, { bigEndian }: ArchInfo): number {
  return DATA_ARGS + arg * 8 + ((half === 0) === bigEndian ? 0 : 4);
}

/** Behind half `half`, which held: before the low half, or before the next condition. */
function after(point: Point, half: 0 | 1, loaded: number): Point {
  return half === 0
    ? { ...point, half: 1, loaded }
    : { rule: point.rule, condition: point.condition + 1, half: 0, loaded };
}

function emitTest(context: Context, point: Point, condition: Condition): Label {
  const { asm } = context;
  const { loaded } = point;
  const value = point.half === 0 ? condition.hi : condition.lo;
  const next = after(point, point.half, loaded);
  const holds: Point = { rule: point.rule, condition: point.condition + 1, half: 0, loaded };
  const go = (to: Point) => emitPoint(context, to);
  const fails = () => emitFailure(context, point, loaded);
  switch (condition.op) {
    case "eq":
      return emitJump(asm, JEQ, value, go(next), fails());
    case "masked":
      return emitMasked(context, point, value, point.half === 0 ? condition.maskHi : condition.maskLo);
    case "ne":
      return point.half === 0
        ? emitJump(asm, JEQ, value, go(next), go(holds))
        : emitJump(asm, JEQ, value, fails(), go(holds));
    case "gt":
    case "ge":
      if (point.half === 0) return emitHighOrder(asm, value, go(next), go(holds), fails());
      return emitJump(asm, condition.op === "gt" ? JGT : JGE, value, go(holds), fails());
    case "lt":
    case "le":
      if (point.half === 0) return emitHighOrder(asm, value, go(next), fails(), go(holds));
      return emitJump(asm, condition.op === "lt" ? JGE : JGT, value, fails(), go(holds));
  }
}

/** High half above, equal to or below `value`. */
function emitHighOrder(asm: Assembler, value: number, equal: Label, above: Label, below: Label): Label {
  if (value === 0) return emitJump(asm, JEQ, 0, equal, above);
  return emitJump(asm, JGT, value, above, emitJump(asm, JEQ, value, equal, below));
}

function emitMasked(context: Context, point: Point, value: number, mask: number): Label {
  const { asm } = context;
  const yes = (loaded: number) => emitPoint(context, after(point, point.half, loaded));
  const no = (loaded: number) => emitFailure(context, point, loaded);
  if (mask === FULL) return emitJump(asm, JEQ, value, yes(point.loaded), no(point.loaded));
  // JSET leaves the accumulator as it is and saves an instruction where one bit, or none, is to be found.
  if (value === 0) return emitJump(asm, JSET, mask, no(point.loaded), yes(point.loaded));
  const isOneBit = (mask & (mask - 1)) === 0;
  if (isOneBit) return emitJump(asm, JSET, mask, yes(point.loaded), no(point.loaded));
  return emitAnd(asm, mask, emitJump(asm, JEQ, value, yes(NOTHING), no(NOTHING)));
}

/**
 * Where to go on when the test at `point` failed: the first later rule that is not known to fail too, behind the
 * conditions that are known to hold. So rules that differ in their last value only cost one comparison each.
 */
function emitFailure(context: Context, point: Point, loaded: number): Label {
  const { rules } = context;
  const failed = rules[point.rule]!.conditions;
  for (let rule = point.rule + 1; rule < rules.length; rule++) {
    const { conditions } = rules[rule]!;
    let shared = 0;
    while (shared < point.condition && isSame(failed[shared]!, conditions[shared])) shared++;
    const theirs = conditions[shared];
    const ours = failed[shared]!;
    if (theirs === undefined) return emitPoint(context, { rule, condition: shared, half: 0, loaded });
    if (shared < point.condition) {
      if (isOtherValue(ours, theirs, context.info)) continue;
      return emitPoint(context, { rule, condition: shared, half: 0, loaded });
    }
    if (isSame(ours, theirs)) continue;
    if (ours.op === "eq" && theirs.op === "eq" && ours.arg === theirs.arg && context.info.bits === 64) {
      const sameHigh = ours.hi === theirs.hi;
      if (point.half === 0 ? sameHigh : !sameHigh) continue;
      if (point.half === 1) return emitPoint(context, { rule, condition: shared, half: 1, loaded });
    }
    return emitPoint(context, { rule, condition: shared, half: 0, loaded });
  }
  return emitReturn(context.asm, context.fallback);
}

function isSame(a: Condition, b: Condition | undefined): boolean {
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

/** Whether `b` cannot hold where `a` does. */
function isOtherValue(a: Condition, b: Condition, { bits }: ArchInfo): boolean {
  if (a.op !== "eq" || b.op !== "eq" || a.arg !== b.arg) return false;
  return a.lo !== b.lo || (bits === 64 && a.hi !== b.hi);
}
