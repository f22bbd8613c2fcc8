/** Writes D-Bus messages (D-Bus specification, "Type System" and "Message Protocol"). Pure. */
import * as os from "node:os";

/** A value of one complete type; 64-bit numbers may also be decimal text. */
export type Value = string | number | bigint | boolean | Uint8Array | Variant | readonly Value[];

/** A value that brings its own type. */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/** A method to be called. Its body has the types of `signature` in order. */
export interface MethodCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature: string;
  readonly body: readonly Value[];
}

/** Whether messages of this machine are little-endian. */
export const LITTLE_ENDIAN = os.endianness() === "LE";

export const METHOD_CALL = 1;
/** Codes of the fields of a message's header. */
export const FIELDS = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  sender: 7,
  signature: 8,
} as const;

const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  b: 4,
  i: 4,
  u: 4,
  s: 4,
  o: 4,
  a: 4,
  x: 8,
  t: 8,
  d: 8,
  "(": 8,
  "{": 8,
};

export function alignmentOf(type: string): number {
  return ALIGNMENT[type] ?? 1;
}

/** Where the complete type that starts at `at` ends. */
export function typeEnd(signature: string, at: number): number {
  const first = signature[at];
  if (first === "a") return typeEnd(signature, at + 1);
  if (first !== "(" && first !== "{") return at + 1;
  let end = at + 1;
  while (end < signature.length && signature[end] !== ")" && signature[end] !== "}") end = typeEnd(signature, end);
  return end + 1;
}

/** The complete types of a signature, or of the inside of a structure. */
export function typesOf(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; at = typeEnd(signature, at)) {
    types.push(signature.slice(at, typeEnd(signature, at)));
  }
  return types;
}

class Writer {
  readonly bytes: number[] = [];
  readonly little: boolean;

  constructor(little: boolean) {
    this.little = little;
  }

  align(boundary: number): void {
    while (this.bytes.length % boundary !== 0) this.bytes.push(0);
  }

  u32(value: number): void {
    this.align(4);
    this.bytes.push(0, 0, 0, 0);
    this.setU32(this.bytes.length - 4, value);
  }

  setU32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.bytes[at + i] = (value >>> (this.little ? 8 * i : 24 - 8 * i)) & 0xff;
  }

  u64(value: bigint): void {
    this.align(8);
    const halves = [Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn)] as const;
    this.u32(halves[this.little ? 0 : 1]);
    this.u32(halves[this.little ? 1 : 0]);
  }

  text(value: string): void {
    for (const byte of Buffer.from(value)) this.bytes.push(byte);
    this.bytes.push(0);
  }

  value(type: string, value: Value): void {
    switch (type[0]) {
      case "y":
        this.bytes.push(Number(value) & 0xff);
        return;
      case "b":
        this.u32(value === true ? 1 : 0);
        return;
      case "i":
      case "u":
        this.u32(Number(value));
        return;
      case "t":
      case "x":
        this.u64(BigInt.asUintN(64, BigInt(value as string | number | bigint)));
        return;
      case "s":
      case "o":
        this.u32(Buffer.byteLength(value as string));
        this.text(value as string);
        return;
      case "g":
        this.bytes.push((value as string).length);
        this.text(value as string);
        return;
      case "v": {
        const { signature, value: inner } = value as Variant;
        this.value("g", signature);
        this.value(signature, inner);
        return;
      }
      case "a":
        this.array(type.slice(1), value as readonly Value[] | Uint8Array);
        return;
      case "(":
      case "{":
        this.align(8);
        this.values(type.slice(1, -1), value as readonly Value[]);
        return;
      default:
        throw new RangeError(`no D-Bus type \`${type}\``);
    }
  }

  values(signature: string, values: readonly Value[]): void {
    const types = typesOf(signature);
    if (types.length !== values.length) throw new RangeError(`${values.length} values for \`${signature}\``);
    for (const [i, type] of types.entries()) this.value(type, values[i] as Value);
  }

  /** The length of an array counts neither itself nor the padding before its first element. */
  array(type: string, values: readonly Value[] | Uint8Array): void {
    this.u32(0);
    const lengthAt = this.bytes.length - 4;
    this.align(alignmentOf(type[0] ?? ""));
    const start = this.bytes.length;
    for (const value of values) this.value(type, value);
    this.setU32(lengthAt, this.bytes.length - start);
  }
}

const VERSION = 1;

/** A message with any header, as tests need them: `fields` are [code, type, value]. */
export function message(
  type: number,
  serial: number,
  fields: readonly (readonly [code: number, type: string, value: Value])[],
  signature: string,
  body: readonly Value[],
  little: boolean = LITTLE_ENDIAN,
): Uint8Array {
  const inside = new Writer(little);
  inside.values(signature, body);
  const whole = new Writer(little);
  whole.bytes.push((little ? "l" : "B").charCodeAt(0), type, 0, VERSION);
  whole.u32(inside.bytes.length);
  whole.u32(serial);
  const all = signature === "" ? fields : [...fields, [FIELDS.signature, "g", signature] as const];
  whole.value(
    "a(yv)",
    all.map(([code, kind, value]) => [code, { signature: kind, value }]),
  );
  whole.align(8);
  return Uint8Array.from([...whole.bytes, ...inside.bytes]);
}

/** The message of a call. Its serial number, which the sender has to count, is left 0. */
export function methodCall(call: MethodCall): Uint8Array {
  const fields = [
    [FIELDS.path, "o", call.path],
    [FIELDS.interface, "s", call.interface],
    [FIELDS.member, "s", call.member],
    [FIELDS.destination, "s", call.destination],
  ] as const;
  return message(METHOD_CALL, 0, fields, call.signature, call.body);
}

export function concatenated(messages: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of messages) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole;
}
