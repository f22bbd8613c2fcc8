/** What a filter can say to a call of which only a part is known before it is made. */
import type { SeccompArch } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import {
  ALU_AND,
  DATA_ARCH,
  DATA_ARGS,
  DATA_NR,
  INSTRUCTION_SIZE,
  JA,
  JEQ,
  JGE,
  JGT,
  JSET,
  LD_ABS,
  RET,
} from "./bpf.ts";
import type { CompiledFilter } from "./compile.ts";
import { RET_ACTION_MASK, RET_ALLOW, RET_KILL_PROCESS, RET_LOG, RET_TRACE, RET_USER_NOTIF } from "./constants.ts";
import { syscallNumber } from "./syscalls.ts";

/** A call that this machine's own code makes. Of several names the first counts that the architecture has, as in libc. */
export interface OwnCall {
  readonly names: readonly string[];
  /** Of clone(2), which is called without a stack. Of other arguments, and other calls, nothing is known. */
  readonly cloneFlags?: number;
}

/** Whether the filter lets all of these calls happen, whatever is not known of them. */
export function permits(filter: CompiledFilter, calls: readonly OwnCall[]): boolean {
  return calls.every((call) => actionsOn(filter, call).every((action) => action === RET_ALLOW || action === RET_LOG));
}

/** Whether the filter lets no such call happen, whatever its arguments, and asks nobody else. */
export function forbids(filter: CompiledFilter, call: OwnCall): boolean {
  const open = [RET_ALLOW, RET_LOG, RET_TRACE, RET_USER_NOTIF];
  const actions = actionsOn(filter, call);
  return actions.length > 0 && actions.every((action) => !open.includes(action));
}

/** Every action that the filter can come to; none where the architecture has no such call. */
function actionsOn(filter: CompiledFilter, { names, cloneFlags }: OwnCall): readonly number[] {
  const arch = filter.arches[0];
  if (arch === undefined) return [RET_KILL_PROCESS];
  const number = names.map((name) => syscallNumber(arch, name)).find((found) => found !== undefined);
  if (number === undefined) return [];
  const { bigEndian, stackFirst } = archInfo(arch);
  const args = cloneFlags === undefined ? [] : stackFirst ? [0, cloneFlags] : [cloneFlags, 0];
  return walk(filter.instructions, knownWords(arch, number, args), bigEndian);
}

/** `struct seccomp_data` as 32-bit words, as far as it is known. */
function knownWords(arch: SeccompArch, number: number, args: readonly number[]): (number | undefined)[] {
  const words: (number | undefined)[] = [];
  const { audit, bigEndian } = archInfo(arch);
  words[DATA_NR / 4] = number;
  words[DATA_ARCH / 4] = audit;
  for (const [i, value] of args.entries()) {
    const at = DATA_ARGS / 4 + 2 * i;
    words[bigEndian ? at + 1 : at] = value >>> 0;
    words[bigEndian ? at : at + 1] = Math.floor(value / 2 ** 32);
  }
  return words;
}

/** Runs the filter along every way that what is not known can lead to. Jumps lead forward only, so there is an end. */
function walk(filter: Uint8Array, words: readonly (number | undefined)[], bigEndian: boolean): readonly number[] {
  const code = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const found = new Set<number>();
  const seen = new Set<string>();
  const open: { readonly at: number; readonly value: number | undefined }[] = [{ at: 0, value: 0 }];
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    let { at, value } = way;
    for (let offset = at * INSTRUCTION_SIZE; ; offset = at * INSTRUCTION_SIZE) {
      if (offset + INSTRUCTION_SIZE > filter.length) {
        found.add(RET_KILL_PROCESS); // no kernel takes such a filter
        break;
      }
      const kind = code.getUint16(offset, !bigEndian);
      const k = code.getUint32(offset + 4, !bigEndian);
      at++;
      if (kind === LD_ABS) value = words[k / 4];
      else if (kind === ALU_AND) value = value === undefined ? undefined : (value & k) >>> 0;
      else if (kind === JA) at += k;
      else if (kind === RET) {
        found.add((k & RET_ACTION_MASK) >>> 0);
        break;
      } else {
        const [yes, no] = [at + code.getUint8(offset + 2), at + code.getUint8(offset + 3)];
        const holds = compare(kind, value, k);
        if (holds === undefined) {
          for (const next of [yes, no]) {
            const key = `${next}:${value}`;
            if (!seen.has(key)) open.push({ at: next, value });
            seen.add(key);
          }
          break;
        }
        at = holds ? yes : no;
      }
    }
  }
  return [...found];
}

/** undefined where it depends on what is not known. An unknown instruction ends in one way or the other. */
function compare(kind: number, value: number | undefined, k: number): boolean | undefined {
  if (value === undefined) return undefined;
  if (kind === JEQ) return value === k;
  if (kind === JGT) return value > k;
  if (kind === JGE) return value >= k;
  return kind === JSET ? (value & k) !== 0 : undefined;
}
