/** A filter as text, one line per instruction. */

import type { SeccompArch } from "../spec/types.ts";
import { allArches, archInfo } from "./arches.ts";
import {
  ALU_AND,
  DATA_ARCH,
  DATA_ARGS,
  DATA_IP,
  DATA_NR,
  DATA_SIZE,
  decodeInstructions,
  INSTRUCTION_SIZE,
  type Instruction,
  JA,
  JEQ,
  JGE,
  JGT,
  JSET,
  LD_ABS,
  RET,
} from "./bpf.ts";
import { describeReturn } from "./constants.ts";
import { syscallName } from "./syscalls.ts";

const COMPARISONS = new Map([
  [JEQ, "=="],
  [JGT, ">"],
  [JGE, ">="],
  [JSET, "&"],
]);

export interface DisassembleOptions {
  /** Byte order of the machine that the filter is for. */
  readonly bigEndian?: boolean;
}

/**
 * `  12: if nr >= 0x3b (execve) then 20 else 13`: targets are instruction numbers. A comparison of the number
 * carries the name in the architecture that the filter has tested for on the way there, where that is certain.
 */
export function disassemble(filter: Uint8Array, { bigEndian = false }: DisassembleOptions = {}): readonly string[] {
  const program = decodeInstructions(filter, bigEndian);
  const states = followStates(program);
  const width = String(program.length).length;
  const lines = program.map((instruction, at) => {
    return `${String(at).padStart(width)}: ${describe(instruction, at, states[at], bigEndian)}`;
  });
  const rest = filter.length % INSTRUCTION_SIZE;
  return rest === 0 ? lines : [...lines, `${rest} bytes left over`];
}

/** What is known before an instruction, on all ways that lead there. */
interface State {
  /** Offset of the word in the accumulator. */
  readonly loaded: number | undefined;
  readonly audit: number | undefined;
}

function followStates(program: readonly Instruction[]): readonly (State | undefined)[] {
  const states: (State | undefined)[] = [{ loaded: undefined, audit: undefined }];
  const reach = (target: number, state: State) => {
    const known = states[target];
    states[target] =
      known === undefined
        ? state
        : {
            loaded: known.loaded === state.loaded ? state.loaded : undefined,
            audit: known.audit === state.audit ? state.audit : undefined,
          };
  };
  program.forEach(({ code, jt, jf, k }, at) => {
    const state = states[at];
    if (state === undefined || code === RET) return;
    if (code === LD_ABS) reach(at + 1, { ...state, loaded: k });
    else if (code === ALU_AND) reach(at + 1, { ...state, loaded: undefined });
    else if (code === JA) reach(at + 1 + k, state);
    else {
      const isArchTest = code === JEQ && state.loaded === DATA_ARCH;
      reach(at + 1 + jt, isArchTest ? { ...state, audit: k } : state);
      reach(at + 1 + jf, state);
    }
  });
  return states;
}

function describe({ code, jt, jf, k }: Instruction, at: number, state: State | undefined, bigEndian: boolean): string {
  if (code === LD_ABS) return `A = ${wordName(k, bigEndian)}`;
  if (code === ALU_AND) return `A &= ${hex(k)}`;
  if (code === JA) return `goto ${at + 1 + k}`;
  if (code === RET) return `return ${describeReturn(k)}`;
  const comparison = COMPARISONS.get(code);
  if (comparison === undefined) return `unknown code ${hex(code)} jt=${jt} jf=${jf} k=${hex(k)}`;
  const left = state?.loaded === undefined ? "A" : wordName(state.loaded, bigEndian);
  return `if ${left} ${comparison} ${hex(k)}${comment(k, state)} then ${at + 1 + jt} else ${at + 1 + jf}`;
}

function comment(k: number, state: State | undefined): string {
  const arches = state === undefined ? [] : archesFor(state, k);
  if (state?.loaded === DATA_ARCH) return arches.length === 0 ? "" : ` (${arches.join(", ")})`;
  if (state?.loaded !== DATA_NR) return "";
  for (const arch of arches) {
    const name = syscallName(arch, k);
    if (name !== undefined) return ` (${name})`;
  }
  return "";
}

function archesFor(state: State, k: number): readonly SeccompArch[] {
  const audit = state.loaded === DATA_ARCH ? k : state.audit;
  return allArches().filter((arch) => archInfo(arch).audit === audit);
}

function wordName(offset: number, bigEndian: boolean): string {
  if (offset === DATA_NR) return "nr";
  if (offset === DATA_ARCH) return "arch";
  const half = (offset % 8 === 0) === bigEndian ? "high" : "low";
  if (offset % 4 !== 0 || offset < DATA_IP || offset >= DATA_SIZE) return `data[${offset}]`;
  return offset < DATA_ARGS ? `ip.${half}` : `args[${(offset - DATA_ARGS) >> 3}].${half}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
