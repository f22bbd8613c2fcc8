/**
 * Emits a filter from its end to its start. BPF jumps only forwards, so every target exists before the jump to it,
 * and a jump that would be too far (its offset has 8 bits) gets a stepping stone right behind it.
 */

import { ALU_AND, type Instruction, JA, LD_ABS, RET } from "./bpf.ts";

/** A place in the program, counted from its end, so that it holds while instructions are put in front. */
export type Label = number;

/** One less than 255: the stone for one arm of a jump moves the other arm away by one. */
const REACH = 254;

export interface Assembler {
  /** Last instruction first. */
  readonly reversed: Instruction[];
  /** The nearest `ret` of each value. */
  readonly returns: Map<number, Label>;
  /** The nearest `ja` to each label. */
  readonly stones: Map<Label, Label>;
  readonly limit: number;
}

/** The program would get longer than it may be. */
export class ProgramTooLong extends Error {}

/** For a program of at most `limit` instructions. */
export function createAssembler(limit: number): Assembler {
  return { reversed: [], returns: new Map(), stones: new Map(), limit };
}

/** The program, first instruction first. */
export function assembled(asm: Assembler): readonly Instruction[] {
  return asm.reversed.toReversed();
}

/** Where the filter ends with `value`; one place serves all jumps in reach. */
export function emitReturn(asm: Assembler, value: number): Label {
  return asm.returns.get(value) ?? addReturn(asm, value);
}

/** `code` is JEQ, JGT, JGE or JSET. */
export function emitJump(asm: Assembler, code: number, k: number, yes: Label, no: Label): Label {
  if (yes === no) return yes;
  const jumpYes = reachable(asm, yes);
  const jumpNo = reachable(asm, no);
  const here = asm.reversed.length;
  return push(asm, { code, jt: here - 1 - jumpYes, jf: here - 1 - jumpNo, k });
}

/** Loads the 32-bit word at `offset` of `struct seccomp_data`. */
export function emitLoad(asm: Assembler, offset: number, next: Label): Label {
  fallInto(asm, next);
  return push(asm, { code: LD_ABS, jt: 0, jf: 0, k: offset });
}

export function emitAnd(asm: Assembler, mask: number, next: Label): Label {
  fallInto(asm, next);
  return push(asm, { code: ALU_AND, jt: 0, jf: 0, k: mask });
}

function push(asm: Assembler, instruction: Instruction): Label {
  if (asm.reversed.length === asm.limit) throw new ProgramTooLong();
  return asm.reversed.push(instruction) - 1;
}

function addReturn(asm: Assembler, value: number): Label {
  const label = push(asm, { code: RET, jt: 0, jf: 0, k: value });
  asm.returns.set(value, label);
  return label;
}

function distance(asm: Assembler, to: Label): number {
  return asm.reversed.length - 1 - to;
}

/** `target`, or a place that leads there and is near enough for a conditional jump emitted next. */
function reachable(asm: Assembler, target: Label): Label {
  if (distance(asm, target) <= REACH) return target;
  const { code, k } = asm.reversed[target]!;
  if (code === RET) {
    const nearest = asm.returns.get(k);
    return nearest !== undefined && distance(asm, nearest) <= REACH ? nearest : addReturn(asm, k);
  }
  const stone = asm.stones.get(target);
  if (stone !== undefined && distance(asm, stone) <= REACH) return stone;
  const fresh = push(asm, { code: JA, jt: 0, jf: 0, k: distance(asm, target) });
  asm.stones.set(target, fresh);
  return fresh;
}

function fallInto(asm: Assembler, next: Label): void {
  if (distance(asm, next) === 0) return;
  const { code, k } = asm.reversed[next]!;
  if (code === RET) addReturn(asm, k);
  else push(asm, { code: JA, jt: 0, jf: 0, k: distance(asm, next) });
}
