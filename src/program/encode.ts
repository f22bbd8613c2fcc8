/**
 * A program as bytes. The layout is `struct program` of native/init.h and the structs of the generated ops.h:
 * a header of 80 bytes, the ops of each list, then the data that operands point to, last what init's ops after `forget`
 * point to. Numbers are in the machine's order.
 */
import { OPS_HASH } from "../generated/ops-hash.ts";
import { LITTLE } from "../sys/endian.ts";
import { errnoNumber } from "../sys/errno.ts";
import { nativePack } from "../sys/pack.ts";
import { LISTS, OPS, type Op, type OpName } from "./ops.ts";
import type { Envelope, Program } from "./program.ts";

const MAGIC = 0x50525354;
const HEADER = 80;
const TWO_32 = 2 ** 32;

type Pack = NonNullable<ReturnType<typeof nativePack>>;

/** How an operand is written; `Host.pack` knows the first three. */
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
  dbus: BYTES,
  errnos: ERRNOS,
};

interface Layout {
  readonly opcode: number;
  readonly names: readonly string[];
  readonly codes: Uint8Array;
  /** Indexes of the operands of other kinds than {@link NUMBER}, {@link TEXT} and {@link BOOL}. */
  readonly rare: readonly number[];
  readonly size: number;
}

function makeLayouts(): Map<string, Layout> {
  const layouts = new Map<string, Layout>();
  let opcode = 1;
  for (const name in OPS) {
    const { args } = OPS[name as OpName];
    const names = Object.keys(args);
    const codes = Uint8Array.from(Object.values(args), (kind) => CODES[kind] ?? NUMBER);
    const rare = names.flatMap((_, i) => ((codes[i] as number) > BOOL ? [i] : []));
    layouts.set(name, { opcode: opcode++, names, codes, rare, size: 8 + 8 * names.length });
  }
  return layouts;
}

let layouts: Map<string, Layout> | undefined;

function layoutOf(name: OpName): Layout {
  layouts ??= makeLayouts();
  return layouts.get(name) as Layout;
}

/** Grows as it is written to. Numbers are written by words: a DataView costs a call for each. */
class Writer {
  bytes: Buffer;
  words: Uint32Array;
  end: number;
  /** The last text that was an op's input, and where it is. */
  shared: { readonly text: string; readonly offset: number; readonly length: number } | undefined;

  constructor(start: number, capacity: number) {
    this.bytes = Buffer.from(new ArrayBuffer(capacity));
    this.words = new Uint32Array(this.bytes.buffer);
    this.end = start;
  }

  reserve(size: number): number {
    const at = this.end;
    if (at + size > this.bytes.length) this.grow(at + size);
    this.end = at + size;
    return at;
  }

  grow(least: number): void {
    const whole = (Math.max(this.bytes.length * 2, least) + 3) & ~3;
    const grown = Buffer.from(new ArrayBuffer(whole));
    grown.set(this.bytes);
    this.bytes = grown;
    this.words = new Uint32Array(grown.buffer);
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
    if (LITTLE) this.pair(at, low, high);
    else this.pair(at, high, low);
  }

  /** Stores a text and writes (offset, length) of it at `at`. */
  text(at: number, value: string): void {
    const length = Buffer.byteLength(value);
    const offset = this.reserve(length + 1);
    this.bytes.write(value, offset);
    this.pair(at, offset, length);
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

function writeRare(w: Writer, at: number, code: number, value: unknown): void {
  if (code === TEXTS) w.list(at, value as readonly string[]);
  else if (code === BYTES) w.data(at, value as Uint8Array);
  else if ((value as readonly string[]).length > 0) w.u64(at, packErrnos(value as readonly string[]));
}

type Operands = Readonly<Record<string, unknown>>;

/** Numbers, texts and booleans; as `Host.pack` of the executable's engine. */
function writeOperands(w: Writer, at: number, operands: Operands, { names, codes }: Layout): void {
  for (let i = 0; i < names.length; i++) {
    const value = operands[names[i] as string];
    if (value === undefined) continue;
    if (codes[i] === TEXT) w.text(at + 8 * i, value as string);
    else if (codes[i] === NUMBER) w.u64(at + 8 * i, value as number | bigint);
    else if (codes[i] === BOOL) w.u64(at + 8 * i, value === true ? 1 : 0);
  }
}

/** The same in one call: in code that is run once, calls are what costs. */
function packOperands(pack: Pack, w: Writer, at: number, operands: Operands, { names, codes }: Layout): void {
  let end = pack(w.bytes, at, w.end, operands, names, codes);
  while (end < 0) {
    w.grow(w.bytes.length * 2);
    end = pack(w.bytes, at, w.end, operands, names, codes);
  }
  w.end = end;
}

/** HEAD_* of native/init.h. */
function orElseFlags({ orElse }: Op): number {
  if (orElse === undefined || orElse === false) return 0;
  return orElse === "forbidden" ? 5 : 1;
}

/** All hooks of a kind read the same state, which has all annotations: it is there once. */
function shareInput(w: Writer, at: number, text: string): void {
  if (w.shared?.text === text) w.pair(at, w.shared.offset, w.shared.length);
  else w.shared = { text, offset: w.words[at >> 2] as number, length: w.words[(at >> 2) + 1] as number };
}

function writeOp(w: Writer, at: number, op: Op, index: number, pack: Pack | undefined): number {
  const layout = layoutOf(op.op);
  const flags = orElseFlags(op) | (op.quiet === true ? 2 : 0);
  w.pair(at, LITTLE ? layout.opcode | (flags << 16) : (layout.opcode << 16) | flags, index);
  const shared = op.op === "spawn" && op.input === w.shared?.text ? w.shared : undefined;
  const operands = (shared === undefined ? op : { ...op, input: undefined }) as unknown as Operands;
  if (pack === undefined) writeOperands(w, at + 8, operands, layout);
  else packOperands(pack, w, at + 8, operands, layout);
  if (op.op === "spawn") shareInput(w, at + 8 + 8 * layout.names.indexOf("input"), op.input);
  for (const i of layout.rare) {
    const value = operands[layout.names[i] as string];
    if (value !== undefined) writeRare(w, at + 8 + 8 * i, layout.codes[i] as number, value);
  }
  return at + layout.size;
}

/** Writes the ops of a list from `at` on. @returns where the data of what follows `forget` begins, or 0 */
function writeList(w: Writer, list: readonly Op[], at: number, pack: Pack | undefined): number {
  let tail = 0;
  for (let k = 0; k < list.length; k++) {
    const op = list[k] as Op;
    at = writeOp(w, at, op, k, pack);
    if (op.op !== "forget") continue;
    tail = w.end;
    w.shared = undefined; // what lies before this will be wiped
  }
  return tail;
}

/** @throws TsruncError never; a string with NUL is refused by the validation of config.json. */
export function encode(program: Program, envelope: Envelope): Uint8Array {
  const { launcher, init, cleanup } = program;
  const starts: number[] = [];
  let size = HEADER;
  for (const list of [launcher, init, cleanup]) {
    starts.push(size);
    for (const op of list) size += layoutOf(op.op).size;
  }
  const w = new Writer(size, Math.max(32768, size * 2));
  const pack = nativePack();
  for (const [i, list] of [launcher, init, cleanup].entries()) w.pair(16 + 8 * i, starts[i] as number, list.length);
  writeList(w, launcher, starts[0] as number, pack);
  writeList(w, cleanup, starts[2] as number, pack);
  w.list(40, envelope.reporter);
  w.text(64, envelope.context);
  const tail = writeList(w, init, starts[1] as number, pack);
  const { fault } = envelope;
  if (fault !== undefined) w.pair(48, LISTS.indexOf(fault.list), fault.index);
  const errno = fault === undefined ? 0 : fault.errno === "KILL" ? 65535 : errnoNumber(fault.errno);
  w.pair(56, errno, program.keepFds);
  w.pair(72, program.cleanupFrom, tail);
  w.pair(0, MAGIC, OPS_HASH);
  w.pair(8, w.end, envelope.timings ? 1 : 0);
  return w.bytes.subarray(0, w.end);
}
