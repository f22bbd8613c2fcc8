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

/** How an operand is written. */
const NUMBER = 0;
const TEXT = 1;
const BOOL = 2;
const TEXTS = 3;
const BYTES = 4;
const ERRNOS = 5;

/** By kind of operand; what is not here is a number. */
const CODES: Readonly<Record<string, number>> = {
  str: TEXT,
  text: TEXT,
  "str?": TEXT,
  bool: BOOL,
  strs: TEXTS,
  texts: TEXTS,
  bytes: BYTES,
  errnos: ERRNOS,
};

interface Layout {
  readonly opcode: number;
  readonly names: readonly string[];
  readonly codes: readonly number[];
  readonly size: number;
}

function makeLayouts(): Map<string, Layout> {
  const layouts = new Map<string, Layout>();
  let opcode = 1;
  for (const name in OPS) {
    const { args } = OPS[name as OpName];
    const names = Object.keys(args);
    const codes = Object.values(args).map((kind) => CODES[kind] ?? NUMBER);
    layouts.set(name, { opcode: opcode++, names, codes, size: 8 + 8 * names.length });
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
  /** The number of each text, and by number where it is and how many bytes it has. */
  readonly strings = new Map<string, number>();
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];

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

  /** Stores a text; its number. */
  add(value: string): number {
    const most = value.length < LONG ? MAX_BYTES * value.length : Buffer.byteLength(value);
    const offset = this.reserve(most + 1);
    const length = this.bytes.write(value, offset);
    // What the room was larger by has not been written to, so the byte behind is 0.
    this.end = offset + length + 1;
    const number = this.offsets.length;
    this.offsets.push(offset);
    this.lengths.push(length);
    this.strings.set(value, number);
    return number;
  }

  /** Writes (offset, length) of the text at `at`. */
  text(at: number, value: string): void {
    const number = this.strings.get(value) ?? this.add(value);
    this.pair(at, this.offsets[number] as number, this.lengths[number] as number);
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

/** The operands that are neither small numbers nor texts. */
function writeRare(w: Writer, at: number, code: number, value: unknown): void {
  if (code === TEXTS) w.list(at, value as readonly string[]);
  else if (code === BYTES) w.data(at, value as Uint8Array);
  else if (code === BOOL) w.u64(at, 1);
  else if (code === ERRNOS) {
    if ((value as readonly string[]).length > 0) w.u64(at, packErrnos(value as readonly string[]));
  } else w.u64(at, value as number | bigint);
}

/**
 * One loop for all operands and no call for most of them: a call is what costs where code is run once, and this is run for
 * some eight hundred operands of a `create`.
 */
function writeOp(w: Writer, at: number, op: Op, index: number): number {
  const { opcode, names, codes, size } = layoutOf(op.op);
  const flags = (op.orElse === true ? 1 : 0) | (op.quiet === true ? 2 : 0);
  w.pair(at, little ? opcode | (flags << 16) : (opcode << 16) | flags, index);
  const operands = op as unknown as Readonly<Record<string, unknown>>;
  const { strings, offsets, lengths } = w;
  for (let i = 0; i < names.length; i++) {
    const value = operands[names[i] as string];
    // What stands in memory is 0.
    if (value === 0 || value === undefined || value === false) continue;
    const operandAt = at + 8 + 8 * i;
    const code = codes[i] as number;
    if (code === TEXT) {
      const known = strings.get(value as string) ?? w.add(value as string);
      w.words[operandAt >> 2] = offsets[known] as number;
      w.words[(operandAt >> 2) + 1] = lengths[known] as number;
    } else if (code === NUMBER && little && typeof value === "number" && value > 0 && value < TWO_32) {
      w.words[operandAt >> 2] = value;
    } else writeRare(w, operandAt, code, value);
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
