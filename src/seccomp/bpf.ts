/** Classic BPF as seccomp(2) takes it: instructions, opcodes and their bytes (<linux/filter.h>, `struct sock_filter`). */

export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const LD_ABS = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const ALU_AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JA = 0x05; // BPF_JMP | BPF_JA
export const JEQ = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const JGT = 0x25;
export const JGE = 0x35;
export const JSET = 0x45;
export const RET = 0x06; // BPF_RET | BPF_K

/** Offsets in `struct seccomp_data` (<linux/seccomp.h>). */
export const DATA_NR = 0;
export const DATA_ARCH = 4;
export const DATA_IP = 8;
export const DATA_ARGS = 16;
export const DATA_SIZE = 64;

/** sizeof(struct sock_filter). */
export const INSTRUCTION_SIZE = 8;

/** The kernel reads its own byte order. */
export function encodeInstructions(program: readonly Instruction[], bigEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, i) => {
    const offset = i * INSTRUCTION_SIZE;
    view.setUint16(offset, code, !bigEndian);
    view.setUint8(offset + 2, jt);
    view.setUint8(offset + 3, jf);
    view.setUint32(offset + 4, k, !bigEndian);
  });
  return bytes;
}

/** A trailing part of an instruction is left out. */
export function decodeInstructions(bytes: Uint8Array, bigEndian = false): readonly Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const program: Instruction[] = [];
  for (let offset = 0; offset + INSTRUCTION_SIZE <= bytes.length; offset += INSTRUCTION_SIZE) {
    program.push({
      code: view.getUint16(offset, !bigEndian),
      jt: view.getUint8(offset + 2),
      jf: view.getUint8(offset + 3),
      k: view.getUint32(offset + 4, !bigEndian),
    });
  }
  return program;
}
