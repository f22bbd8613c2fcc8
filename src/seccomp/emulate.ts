/** Runs a filter as the kernel does. */

import {
  ALU_AND,
  DATA_ARCH,
  DATA_ARGS,
  DATA_IP,
  DATA_NR,
  decodeInstructions,
  type Instruction,
  JA,
  JEQ,
  JGE,
  JGT,
  JSET,
  LD_ABS,
  RET,
} from "./bpf.ts";
import { describeReturn, RET_ACTION_MASK, RET_DATA_MASK } from "./constants.ts";

/** `struct seccomp_data` of one system call. */
export interface SyscallData {
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly nr: number;
  /** Missing ones are 0. */
  readonly args?: readonly (number | bigint)[];
  readonly ip?: bigint;
}

export interface Verdict {
  /** The value the filter returned: action and data. */
  readonly ret: number;
  /** SECCOMP_RET_* part of `ret`. */
  readonly action: number;
  /** The low 16 bits of `ret`, such as the errno. */
  readonly data: number;
  /** Instructions executed. */
  readonly steps: number;
  /** `ALLOW`, `ERRNO(1)` … */
  readonly text: string;
}

/** `bigEndian` is the byte order of the machine the filter is for. Throws a RangeError for a filter that no kernel takes. */
export function emulate(filter: Uint8Array, call: SyscallData, bigEndian = false): Verdict {
  const { ret, steps } = runFilter(decodeInstructions(filter, bigEndian), dataWords(call, bigEndian));
  const action = (ret & RET_ACTION_MASK) >>> 0;
  return { ret, action, data: ret & RET_DATA_MASK, steps, text: describeReturn(ret) };
}

/** `struct seccomp_data` as 32-bit words. */
export function dataWords(call: SyscallData, bigEndian = false): Uint32Array {
  const words = new Uint32Array(16);
  words[DATA_NR / 4] = call.nr;
  words[DATA_ARCH / 4] = call.arch;
  setWord64(words, DATA_IP / 4, call.ip ?? 0n, bigEndian);
  call.args?.forEach((value, i) => {
    setWord64(words, DATA_ARGS / 4 + 2 * i, BigInt.asUintN(64, BigInt(value)), bigEndian);
  });
  return words;
}

function setWord64(words: Uint32Array, index: number, value: bigint, bigEndian: boolean): void {
  words[bigEndian ? index : index + 1] = Number(value >> 32n);
  words[bigEndian ? index + 1 : index] = Number(value & 0xffffffffn);
}

/** The part of classic BPF that filters use (kernel/seccomp.c, seccomp_check_filter()), without the scratch memory. */
export function runFilter(program: readonly Instruction[], words: Uint32Array): { ret: number; steps: number } {
  let accumulator = 0;
  let at = 0;
  for (let steps = 1; ; steps++) {
    const instruction = program[at++];
    if (instruction === undefined) throw new RangeError(`filter runs past its end at instruction ${at - 1}`);
    const { code, jt, jf, k } = instruction;
    switch (code) {
      case LD_ABS: {
        const word = words[k / 4];
        if (word === undefined) throw new RangeError(`filter loads offset ${k} at instruction ${at - 1}`);
        accumulator = word;
        break;
      }
      case ALU_AND:
        accumulator = (accumulator & k) >>> 0;
        break;
      case JA:
        at += k;
        break;
      case JEQ:
        at += accumulator === k ? jt : jf;
        break;
      case JGT:
        at += accumulator > k ? jt : jf;
        break;
      case JGE:
        at += accumulator >= k ? jt : jf;
        break;
      case JSET:
        at += (accumulator & k) !== 0 ? jt : jf;
        break;
      case RET:
        return { ret: k, steps };
      default:
        throw new RangeError(`unknown instruction code 0x${code.toString(16)} at instruction ${at - 1}`);
    }
  }
}
