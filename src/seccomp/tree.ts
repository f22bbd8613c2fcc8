/** Search tree over system call numbers: the filter's code for one architecture. */

import { type Assembler, emitJump, emitLoad, emitReturn, type Label } from "./assembler.ts";
import { DATA_NR, JEQ, JGE } from "./bpf.ts";
import { emitRules } from "./conditions.ts";
import type { Decision } from "./rules.ts";
import type { Leaf, Segment } from "./segments.ts";

interface Context {
  readonly asm: Assembler;
  readonly segments: readonly Segment[];
  /** Weight of all segments before each index. */
  readonly before: readonly number[];
  readonly fallback: number;
  /** Calls with the same rules share their code. */
  readonly emitted: Map<Decision, Label>;
}

/** Code that loads the number and decides; `fallback` is what rules on arguments return where none holds. */
export function emitSearch(asm: Assembler, segments: readonly Segment[], fallback: number): Label {
  const before = [0];
  for (const { weight } of segments) before.push(before.at(-1)! + weight);
  const root = emitRange({ asm, segments, before, fallback, emitted: new Map() }, 0, segments.length);
  // Where all numbers are treated alike, only rules on arguments are left, and those load what they need.
  return segments.length === 1 ? root : emitLoad(asm, DATA_NR, root);
}

/** Decides between segments `from` … `to` - 1, with the number in the accumulator. */
function emitRange(context: Context, from: number, to: number): Label {
  const { asm, segments } = context;
  const first = segments[from]!;
  if (to - from === 1) return emitLeaf(context, first.leaf);
  const second = segments[from + 1]!;
  if (to - from === 3 && isHole(segments, from)) {
    return emitJump(asm, JEQ, second.start, emitLeaf(context, second.leaf), emitLeaf(context, first.leaf));
  }
  const middle = split(context, from, to);
  const upper = emitRange(context, middle, to);
  return emitJump(asm, JGE, segments[middle]!.start, upper, emitRange(context, from, middle));
}

/** Whether segment `from` + 1 is one number, with the same treatment on both sides of it. */
function isHole(segments: readonly Segment[], from: number): boolean {
  const [left, hole, right] = [segments[from]!, segments[from + 1]!, segments[from + 2]!];
  return right.start === hole.start + 1 && left.leaf === right.leaf;
}

/** Where both halves weigh the same, as nearly as can be: what is called often stays near the root. */
function split({ segments, before }: Context, from: number, to: number): number {
  const target = (before[from]! + before[to]!) / 2;
  let low = from + 1;
  let high = to - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before[middle]! < target) low = middle + 1;
    else high = middle;
  }
  const isLowerNearer = low - 1 > from && target - before[low - 1]! < before[low]! - target;
  const best = isLowerNearer ? low - 1 : low;
  // Do not cut through a hole where it costs nothing: it takes one comparison while it stays whole.
  if (best - 1 > from && best + 1 < to && isHole(segments, best - 1) && to - from > 4) return best - 1;
  return best;
}

function emitLeaf({ asm, fallback, emitted }: Context, leaf: Leaf): Label {
  if (typeof leaf === "number") return emitReturn(asm, leaf);
  let label = emitted.get(leaf);
  if (label === undefined) {
    label = emitRules(asm, leaf.info, leaf.rules, fallback);
    emitted.set(leaf, label);
  }
  return label;
}
