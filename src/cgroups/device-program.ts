import { TsruncError } from "../errors.ts";
import { ALL, type DevicePolicy, type PlainRule } from "./device-rules.ts";

/** One instruction; `to` is a label instead of an offset. */
interface Instruction {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
  readonly to?: number | "allow" | "deny";
}

// linux/bpf_common.h and linux/bpf.h. The 32-bit jumps (BPF_JMP32) came with 5.1.
const LDX_WORD = 0x61;
const AND32 = 0x54;
const RSH32 = 0x74;
const MOV32 = 0xb4;
const MOV32_REGISTER = 0xbc;
const JEQ32 = 0x16;
const JNE32 = 0x56;
const JSET32 = 0x46;
const EXIT = 0x95;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;

/**
 * A BPF_PROG_TYPE_CGROUP_DEVICE program for a policy, as the bytes of struct bpf_insn. It asks the rules from
 * the last to the first; a rule that allows some of the access takes those bits away from what remains to be
 * decided, so each bit is decided by the last rule that names it.
 */
export function deviceProgram(policy: DevicePolicy, littleEndian = hostIsLittleEndian()): Uint8Array<ArrayBuffer> {
  const code: Instruction[] = [
    { code: LDX_WORD, dst: TYPE, src: 1, off: 0 },
    { code: MOV32_REGISTER, dst: ACCESS, src: TYPE },
    { code: AND32, dst: TYPE, imm: 0xffff },
    { code: RSH32, dst: ACCESS, imm: 16 },
    { code: LDX_WORD, dst: MAJOR, src: 1, off: 4 },
    { code: LDX_WORD, dst: MINOR, src: 1, off: 8 },
  ];
  for (const rule of policy.rules.toReversed()) ruleCode(code, rule);
  const last = policy.allow ? "allow" : "deny";
  const other = policy.allow ? "deny" : "allow";
  const labels = { [last]: code.length, [other]: code.length + 2 };
  code.push({ code: MOV32, dst: 0, imm: policy.allow ? 1 : 0 }, { code: EXIT });
  // The verifier refuses code that nothing jumps to.
  if (code.some((instruction) => instruction.to === other)) {
    code.push({ code: MOV32, dst: 0, imm: policy.allow ? 0 : 1 }, { code: EXIT });
  }
  if (code.length > MOST_INSTRUCTIONS) {
    const message = `${policy.rules.length} device rules are more than a program of the kernel holds`;
    throw new TsruncError("config", message, { at: "/linux/resources/devices" });
  }
  return encode(code, labels, littleEndian);
}

/** A jump is a signed number of 16 bits. The kernel's verifier refuses programs with so many branches before. */
const MOST_INSTRUCTIONS = 32_767;

function ruleCode(code: Instruction[], rule: PlainRule): void {
  const conditions: { readonly register: number; readonly value: number }[] = [
    { register: TYPE, value: rule.type === "b" ? 1 : 2 },
  ];
  if (rule.major >= 0) conditions.push({ register: MAJOR, value: rule.major });
  if (rule.minor >= 0) conditions.push({ register: MINOR, value: rule.minor });
  const verdict = rule.allow ? "allow" : "deny";
  const whole = rule.access === ALL;
  const tail = whole ? 0 : rule.allow ? 2 : 1;
  const next = code.length + conditions.length + tail;
  conditions.forEach(({ register, value }, i) => {
    const decides = whole && i === conditions.length - 1;
    if (decides) code.push({ code: JEQ32, dst: register, imm: value, to: verdict });
    else code.push({ code: JNE32, dst: register, imm: value, to: next });
  });
  if (whole) return;
  if (!rule.allow) {
    code.push({ code: JSET32, dst: ACCESS, imm: rule.access, to: "deny" });
    return;
  }
  code.push({ code: AND32, dst: ACCESS, imm: ALL & ~rule.access });
  code.push({ code: JEQ32, dst: ACCESS, imm: 0, to: "allow" });
}

function encode(
  code: readonly Instruction[],
  labels: Readonly<Record<string, number>>,
  littleEndian: boolean,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(code.length * 8);
  const view = new DataView(bytes.buffer);
  code.forEach(({ code: opcode, dst = 0, src = 0, off = 0, imm = 0, to }, i) => {
    const target = typeof to === "string" ? labels[to] : to;
    bytes[i * 8] = opcode;
    // Two bit fields of four bits each, laid out from the low or from the high end as the machine's order is.
    bytes[i * 8 + 1] = littleEndian ? (src << 4) | dst : (dst << 4) | src;
    view.setInt16(i * 8 + 2, target === undefined ? off : target - i - 1, littleEndian);
    view.setInt32(i * 8 + 4, imm | 0, littleEndian);
  });
  return bytes;
}

function hostIsLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
}
