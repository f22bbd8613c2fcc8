/**
 * A program as bytes. The layout is `struct program` of native/init.h and the structs of the generated ops.h:
 * a header of 80 bytes, the ops of each list, then the data that operands point to. Numbers are in the
 * machine's order (all architectures we build for are little-endian, but for s390x, where `native` differs).
 */
import * as os from "node:os";
import { OPS_HASH } from "../generated/ops-hash.ts";
import { errnoNumber } from "../sys/errno.ts";
import { LISTS, OPS, type Op, type OpName } from "./ops.ts";
import type { Envelope, Program } from "./program.ts";

const MAGIC = 0x50525354;
const HEADER = 80;
const little = os.endianness() === "LE";

interface Layout {
  readonly opcode: number;
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly size: number;
}

const layouts = new Map<string, Layout>();

function layoutOf(name: OpName): Layout {
  let layout = layouts.get(name);
  if (layout === undefined) {
    if (layouts.size === 0) opcodes();
    const { args } = OPS[name];
    const names = Object.keys(args);
    layout = { opcode: opcodeOf.get(name) ?? 0, names, kinds: Object.values(args), size: 8 + 8 * names.length };
    layouts.set(name, layout);
  }
  return layout;
}

const opcodeOf = new Map<string, number>();

function opcodes(): void {
  let next = 1;
  for (const name in OPS) opcodeOf.set(name, next++);
}

/** Grows as it is written to; strings that occur more than once are stored once. */
class Writer {
  bytes: Buffer;
  view: DataView;
  end: number;
  readonly strings = new Map<string, number>();

  constructor(start: number, capacity: number) {
    this.bytes = Buffer.alloc(capacity);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, capacity);
    this.end = start;
  }

  reserve(size: number): number {
    const at = this.end;
    if (at + size > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(this.bytes.length * 2, at + size));
      this.bytes.copy(grown, 0, 0, at);
      this.bytes = grown;
      this.view = new DataView(grown.buffer, grown.byteOffset, grown.length);
    }
    this.end = at + size;
    return at;
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at, value >>> 0, little);
  }

  u64(at: number, value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value <= 0xffffffff) {
      this.view.setUint32(little ? at : at + 4, value, little);
      this.view.setUint32(little ? at + 4 : at, 0, little);
      return;
    }
    this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), little);
  }

  /** Writes (offset, length) of the text at `at`. */
  text(at: number, value: string): void {
    let length = this.strings.get(value);
    let offset: number;
    if (length !== undefined) {
      offset = length;
      length = Buffer.byteLength(value);
    } else {
      length = Buffer.byteLength(value);
      offset = this.reserve(length + 1);
      this.bytes.write(value, offset);
      this.strings.set(value, offset);
    }
    this.u32(at, offset);
    this.u32(at + 4, length);
  }

  data(at: number, value: Uint8Array): void {
    if (value.length === 0) return;
    const offset = this.reserve(value.length + 1);
    this.bytes.set(value, offset);
    this.u32(at, offset);
    this.u32(at + 4, value.length);
  }

  list(at: number, values: readonly string[]): void {
    if (values.length === 0) return;
    this.end = (this.end + 3) & ~3;
    const table = this.reserve(8 * values.length);
    this.u32(at, table);
    this.u32(at + 4, values.length);
    for (const [i, value] of values.entries()) this.text(table + 8 * i, value);
  }
}

function packErrnos(names: readonly string[]): bigint {
  if (names.length > 4) throw new RangeError("an op ignores at most four errnos");
  return names.reduce((packed, name, i) => packed | (BigInt(errnoNumber(name)) << BigInt(16 * i)), 0n);
}

function writeOperand(w: Writer, at: number, kind: string, value: unknown): void {
  switch (kind) {
    case "str":
    case "text":
      w.text(at, value as string);
      break;
    case "str?":
      if (value !== undefined) w.text(at, value as string);
      break;
    case "strs":
    case "texts":
      w.list(at, value as readonly string[]);
      break;
    case "bytes":
      w.data(at, value as Uint8Array);
      break;
    case "errnos":
      if ((value as readonly string[]).length > 0) w.u64(at, packErrnos(value as readonly string[]));
      break;
    case "bool":
      w.u64(at, value === true ? 1 : 0);
      break;
    default:
      w.u64(at, value as number | bigint);
  }
}

function writeOp(w: Writer, at: number, op: Op, index: number): number {
  const layout = layoutOf(op.op);
  const flags = (op.orElse === true ? 1 : 0) | (op.quiet === true ? 2 : 0);
  w.view.setUint16(at, layout.opcode, little);
  w.view.setUint16(at + 2, flags, little);
  w.u32(at + 4, index);
  const operands = op as unknown as Readonly<Record<string, unknown>>;
  for (let i = 0; i < layout.names.length; i++) {
    writeOperand(w, at + 8 + 8 * i, layout.kinds[i] ?? "", operands[layout.names[i] ?? ""]);
  }
  return at + layout.size;
}

/** @throws TsruncError never; a string with NUL is refused by the validation of config.json. */
export function encode(program: Program, envelope: Envelope): Uint8Array {
  const lists = [program.launcher, program.init, program.cleanup];
  let size = HEADER;
  for (const list of lists) for (const op of list) size += layoutOf(op.op).size;
  const w = new Writer(size, Math.max(16384, size * 2));
  let at = HEADER;
  for (const [i, list] of lists.entries()) {
    w.u32(16 + 8 * i, at);
    w.u32(20 + 8 * i, list.length);
    for (let k = 0; k < list.length; k++) at = writeOp(w, at, list[k] as Op, k);
  }
  w.list(40, envelope.reporter);
  const { fault } = envelope;
  if (fault !== undefined) {
    w.u32(48, LISTS.indexOf(fault.list));
    w.u32(52, fault.index);
    w.u32(56, fault.errno === "KILL" ? 65535 : errnoNumber(fault.errno));
  }
  w.u32(60, program.keepFds);
  w.text(64, envelope.context);
  w.u32(72, program.cleanupFrom);
  w.u32(0, MAGIC);
  w.u32(4, OPS_HASH);
  w.u32(8, w.end);
  w.u32(12, envelope.timings ? 1 : 0);
  return w.bytes.subarray(0, w.end);
}
