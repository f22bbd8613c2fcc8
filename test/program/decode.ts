/** Reads an encoded program back, from what native/init.h and the op table say, not from what encode.ts does. */

import { OPS, type OpName } from "../../src/program/ops.ts";
import { errnoName } from "../../src/sys/errno.ts";

export interface DecodedOp {
  readonly op: OpName;
  readonly index: number;
  readonly orElse: boolean;
  readonly quiet: boolean;
  readonly operands: Readonly<Record<string, unknown>>;
}

export interface Decoded {
  readonly magic: number;
  readonly hash: number;
  readonly size: number;
  readonly flags: number;
  readonly lists: readonly (readonly DecodedOp[])[];
  readonly reporter: readonly string[];
  readonly fault: readonly number[];
  readonly keepFds: number;
  readonly context: string;
  readonly cleanupFrom: number;
}

const NAMES = Object.keys(OPS) as OpName[];

export function decode(file: Uint8Array): Decoded {
  const b = Buffer.from(file);
  const u32 = (at: number) => b.readUInt32LE(at);
  const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => u32(from + 4 * i));
  return {
    magic: u32(0),
    hash: u32(4),
    size: u32(8),
    flags: u32(12),
    lists: [16, 24, 32].map((at) => list(b, u32(at), u32(at + 4))),
    reporter: strings(b, 40),
    fault: numbers(48, 3),
    keepFds: u32(60),
    context: string(b, 64) ?? "",
    cleanupFrom: u32(72),
  };
}

function list(b: Buffer, offset: number, count: number): DecodedOp[] {
  const ops: DecodedOp[] = [];
  for (let at = offset; ops.length < count; ) {
    const name = NAMES[b.readUInt16LE(at) - 1];
    if (name === undefined) throw new Error(`opcode ${b.readUInt16LE(at)}`);
    const args = Object.entries(OPS[name].args);
    const flags = b.readUInt16LE(at + 2);
    const operands = args.map(([arg, kind], i) => [arg, operand(b, at + 8 + 8 * i, kind)]);
    const op = { op: name, index: b.readUInt32LE(at + 4), orElse: (flags & 1) !== 0, quiet: (flags & 2) !== 0 };
    ops.push({ ...op, operands: Object.fromEntries(operands) });
    at += 8 + 8 * args.length;
  }
  return ops;
}

function operand(b: Buffer, at: number, kind: string): unknown {
  switch (kind) {
    case "u64":
      return b.readBigUInt64LE(at);
    case "i64":
    case "slot":
      return b.readBigInt64LE(at);
    case "bool":
      return b.readBigUInt64LE(at) === 1n;
    case "errnos":
      return [0, 2, 4, 6]
        .map((i) => b.readUInt16LE(at + i))
        .filter((n) => n !== 0)
        .map(errnoName);
    case "strs":
    case "texts":
      return strings(b, at);
    case "bytes":
    case "dbus":
      return b.subarray(b.readUInt32LE(at), b.readUInt32LE(at) + b.readUInt32LE(at + 4)).toString("hex");
    default:
      return string(b, at);
  }
}

/** @throws Error unless it ends in a NUL and has none within */
function string(b: Buffer, at: number): string | undefined {
  const [offset, length] = [b.readUInt32LE(at), b.readUInt32LE(at + 4)];
  if (offset === 0) return undefined;
  const bytes = b.subarray(offset, offset + length);
  if (bytes.includes(0) || b[offset + length] !== 0) throw new Error(`string at ${at}`);
  return bytes.toString("utf8");
}

function strings(b: Buffer, at: number): string[] {
  const [offset, count] = [b.readUInt32LE(at), b.readUInt32LE(at + 4)];
  if (offset % 4 !== 0) throw new Error(`list at ${at} is not aligned`);
  return Array.from({ length: count }, (_, i) => string(b, offset + 8 * i) ?? "");
}
