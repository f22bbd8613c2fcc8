/**
 * The order in which conditional rules of one system call are tried. The specification does not say which of two
 * rules wins when both match; profiles have been written against libseccomp, which sorts: the rule on the higher
 * argument first; on one argument equality before "less" before "greater"; among equals of a kind the larger value
 * first (for "less" the smaller), that is, the more specific one; a rule that is the beginning of another one before it.
 */

import type { Condition, ConditionOp, Rule } from "./rules.ts";

/** Half of a comparison; libseccomp builds its tree of these. */
interface Test {
  /** Argument and half: the high half is looked at first. */
  readonly place: number;
  /** The comparison as the filter makes it; "not equal" is "equal" with the outcomes swapped. */
  readonly compare: "masked" | "eq" | "gt" | "ge";
  readonly op: ConditionOp;
  readonly value: number;
  readonly mask: number;
}

interface Node {
  readonly test: Test;
  readonly ending: Rule[];
  readonly below: Level;
}

/** The nodes of one depth, the greatest test first. */
interface Level {
  readonly nodes: Node[];
  /** Nodes whose tests are the same but for their ranks, by {@link keyOf}. */
  readonly byKey: Map<string, Node[]>;
}

const OP_RANK: Readonly<Record<ConditionOp, number>> = { masked: 3, eq: 3, ne: 3, le: 2, lt: 2, ge: 1, gt: 1 };

/** `rules` in the order in which they are to be tried; the order of the profile decides where nothing else does. */
export function orderRules(rules: readonly Rule[], bits: 32 | 64): readonly Rule[] {
  if (rules.length < 2) return rules;
  const top = createLevel();
  for (const rule of rules) insert(top, rule, bits);
  const ordered: Rule[] = [];
  collect(top, ordered);
  return ordered;
}

function createLevel(): Level {
  return { nodes: [], byKey: new Map() };
}

function insert(top: Level, rule: Rule, bits: 32 | 64): void {
  let level = top;
  let last: Node | undefined;
  for (const condition of rule.conditions) {
    for (const test of tests(condition, bits)) {
      last = enter(level, test);
      level = last.below;
    }
  }
  last?.ending.push(rule);
}

/**
 * libseccomp goes through the nodes until one is the same or less. So it finds a node of the same test and a lower rank
 * only where that is the first of those that are less.
 */
function enter({ nodes, byKey }: Level, test: Test): Node {
  const at = firstLess(nodes, test);
  const key = keyOf(test);
  const alike = byKey.get(key) ?? [];
  const same = alike.find((node) => !isLess(node.test, test) || node === nodes[at]);
  if (same !== undefined) return same;
  const node: Node = { test, ending: [], below: createLevel() };
  nodes.splice(at, 0, node);
  byKey.set(key, [node, ...alike]);
  return node;
}

function firstLess(nodes: readonly Node[], test: Test): number {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isLess(nodes[middle]!.test, test)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function collect({ nodes }: Level, into: Rule[]): void {
  for (const { ending, below } of nodes) {
    for (const rule of ending) into.push(rule);
    collect(below, into);
  }
}

function tests({ arg, op, hi, lo, maskHi, maskLo }: Condition, bits: 32 | 64): readonly Test[] {
  const equality = op === "eq" || op === "ne";
  const lowCompare = op === "masked" ? "masked" : equality ? "eq" : op === "gt" || op === "le" ? "gt" : "ge";
  const low: Test = { place: arg * 2, compare: lowCompare, op, value: lo, mask: maskLo };
  if (bits === 32) return [low];
  const highCompare = equality || op === "masked" ? lowCompare : "gt";
  return [{ place: arg * 2 + 1, compare: highCompare, op, value: hi, mask: maskHi }, low];
}

function keyOf({ place, compare, value, mask }: Test): string {
  return `${place} ${compare} ${value} ${mask}`;
}

function isLess(a: Test, b: Test): boolean {
  if (a.place !== b.place) return a.place < b.place;
  const rank = OP_RANK[a.op] - OP_RANK[b.op];
  if (rank !== 0) return rank < 0;
  return a.op === "le" || a.op === "lt" ? a.value > b.value : a.value < b.value;
}
