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

const little = os.endianness() === "LE";
const MAGIC = 0x50525354;
const HEADER = 80;
const TWO_32 = 2 ** 32;
/** UTF-8 needs at most three bytes for what is one unit of a JavaScript string. */
const MAX_BYTES = 3;
/** From here on counting the bytes is better than room for three times as many. */
const LONG = 1024;

type OperandWriter = (w: Writer, at: number, value: unknown) => void;

interface Layout {
  readonly opcode: number;
  readonly names: readonly string[];
  readonly writers: readonly OperandWriter[];
  readonly size: number;
}

function makeLayouts(): Map<string, Layout> {
  const layouts = new Map<string, Layout>();
  let opcode = 1;
  for (const name in OPS) {
    const { args } = OPS[name as OpName];
    const names = Object.keys(args);
    const writers = Object.values(args).map((kind) => WRITERS[kind] ?? writeNumber);
    layouts.set(name, { opcode: opcode++, names, writers, size: 8 + 8 * names.length });
  }
  return layouts;
}

let layouts: Map<string, Layout> | undefined;

function layoutOf(name: OpName): Layout {
  layouts ??= makeLayouts();
  return layouts.get(name) as Layout;
}

/**
 * Grows as it is written to; strings that occur more than once are stored once. Numbers are written by words: a DataView
 * costs a call for each.
 */
class Writer {
  bytes: Buffer;
  words: Uint32Array;
  end: number;
  /** Offset and length, as one number, of each text. */
  readonly strings = new Map<string, number>();

  constructor(start: number, capacity: number) {
    this.bytes = Buffer.from(new ArrayBuffer(capacity));
    this.words = new Uint32Array(this.bytes.buffer);
    this.end = start;
  }

  reserve(size: number): number {
    const at = this.end;
    if (at + size > this.bytes.length) {
      const whole = (Math.max(this.bytes.length * 2, at + size) + 3) & ~3;
      const grown = Buffer.from(new ArrayBuffer(whole));
      grown.set(this.bytes);
      this.bytes = grown;
      this.words = new Uint32Array(grown.buffer);
    }
    this.end = at + size;
    return at;
  }

  pair(at: number, low: number, high: number): void {
    this.words[at >> 2] = low;
    this.words[(at >> 2) + 1] = high;
  }

  u64(at: number, value: number | bigint): void {
    let low: number;
    let high = 0;
    if (typeof value === "number" && value >= 0 && value < TWO_32) low = value;
    else if (value === -1) low = high = 0xffffffff;
    else {
      const bits = BigInt.asUintN(64, BigInt(value));
      low = Number(bits & 0xffffffffn);
      high = Number(bits >> 32n);
    }
    if (little) this.pair(at, low, high);
    else this.pair(at, high, low);
  }

  /** Writes (offset, length) of the text at `at`. */
  text(at: number, value: string): void {
    let place = this.strings.get(value);
    if (place === undefined) {
      const most = value.length < LONG ? MAX_BYTES * value.length : Buffer.byteLength(value);
      const offset = this.reserve(most + 1);
      const length = this.bytes.write(value, offset);
      this.end = offset + length + 1;
      // What the room was larger by has not been written to, so the byte behind is 0.
      place = offset + length * TWO_32;
      this.strings.set(value, place);
    }
    this.pair(at, place % TWO_32, Math.floor(place / TWO_32));
  }

  data(at: number, value: Uint8Array): void {
    if (value.length === 0) return;
    const offset = this.reserve(value.length + 1);
    this.bytes.set(value, offset);
    this.pair(at, offset, value.length);
  }

  list(at: number, values: readonly string[]): void {
    if (values.length === 0) return;
    this.end = (this.end + 3) & ~3;
    const table = this.reserve(8 * values.length);
    this.pair(at, table, values.length);
    for (let i = 0; i < values.length; i++) this.text(table + 8 * i, values[i] as string);
  }
}

function packErrnos(names: readonly string[]): bigint {
  if (names.length > 4) throw new RangeError("an op ignores at most four errnos");
  return names.reduce((packed, name, i) => packed | (BigInt(errnoNumber(name)) << BigInt(16 * i)), 0n);
}

function writeText(w: Writer, at: number, value: unknown): void {
  if (value !== undefined) w.text(at, value as string);
}

function writeTexts(w: Writer, at: number, value: unknown): void {
  w.list(at, value as readonly string[]);
}

function writeNumber(w: Writer, at: number, value: unknown): void {
  if (value !== 0) w.u64(at, value as number | bigint);
}

/** By kind of operand; what is not here is a number. */
const WRITERS: Readonly<Record<string, OperandWriter>> = {
  str: writeText,
  text: writeText,
  "str?": writeText,
  strs: writeTexts,
  texts: writeTexts,
  bytes: (w, at, value) => w.data(at, value as Uint8Array),
  errnos(w, at, value) {
    if ((value as readonly string[]).length > 0) w.u64(at, packErrnos(value as readonly string[]));
  },
  bool(w, at, value) {
    if (value === true) w.pair(at, little ? 1 : 0, little ? 0 : 1);
  },
};

function writeOp(w: Writer, at: number, op: Op, index: number): number {
  const { opcode, names, writers, size } = layoutOf(op.op);
  const flags = (op.orElse === true ? 1 : 0) | (op.quiet === true ? 2 : 0);
  w.pair(at, little ? opcode | (flags << 16) : (opcode << 16) | flags, index);
  const operands = op as unknown as Readonly<Record<string, unknown>>;
  let operandAt = at + 8;
  for (let i = 0; i < names.length; i++) {
    (writers[i] as OperandWriter)(w, operandAt, operands[names[i] as string]);
    operandAt += 8;
  }
  return at + size;
}

/** @throws TsruncError never; a string with NUL is refused by the validation of config.json. */
export function encode(program: Program, envelope: Envelope): Uint8Array {
  const lists = [program.launcher, program.init, program.cleanup];
  let size = HEADER;
  for (const list of lists) for (const op of list) size += layoutOf(op.op).size;
  const w = new Writer(size, Math.max(32768, size * 2));
  let at = HEADER;
  for (const [i, list] of lists.entries()) {
    w.pair(16 + 8 * i, at, list.length);
    for (let k = 0; k < list.length; k++) at = writeOp(w, at, list[k] as Op, k);
  }
  w.list(40, envelope.reporter);
  const { fault } = envelope;
  if (fault !== undefined) {
    w.pair(48, LISTS.indexOf(fault.list), fault.index);
  }
  const errno = fault === undefined ? 0 : fault.errno === "KILL" ? 65535 : errnoNumber(fault.errno);
  w.pair(56, errno, program.keepFds);
  w.text(64, envelope.context);
  w.pair(72, program.cleanupFrom, 0);
  w.pair(0, MAGIC, OPS_HASH);
  w.pair(8, w.end, envelope.timings ? 1 : 0);
  return w.bytes.subarray(0, w.end);
}
