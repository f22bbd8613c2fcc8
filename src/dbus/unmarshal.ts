/** Reads D-Bus messages: those of a plan that is printed, and in tests what was sent. Pure. */
import { alignmentOf, FIELDS, typeEnd, typesOf, type Value, type Variant } from "./marshal.ts";

export interface Message {
  readonly type: number;
  readonly serial: number;
  /** By their codes, see {@link FIELDS}. */
  readonly fields: ReadonlyMap<number, Value>;
  readonly body: readonly Value[];
  /** Its whole length in bytes. */
  readonly size: number;
}

class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly little: boolean;
  at: number;

  constructor(bytes: Uint8Array, little: boolean, at: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.little = little;
    this.at = at;
  }

  align(boundary: number): void {
    this.at = Math.ceil(this.at / boundary) * boundary;
  }

  take(size: number): number {
    this.align(size);
    this.at += size;
    return this.at - size;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), this.little);
  }

  text(length: number): string {
    const text = Buffer.from(this.bytes.subarray(this.at, this.at + length)).toString();
    this.at += length + 1;
    return text;
  }

  value(type: string): Value {
    switch (type[0]) {
      case "y":
        return this.view.getUint8(this.take(1));
      case "b":
        return this.u32() !== 0;
      case "i":
        return this.view.getInt32(this.take(4), this.little);
      case "u":
        return this.u32();
      case "t":
      case "x":
        return this.view.getBigUint64(this.take(8), this.little);
      case "s":
      case "o":
        return this.text(this.u32());
      case "g":
        return this.text(this.view.getUint8(this.take(1)));
      case "v":
        return this.variant();
      case "a":
        return this.array(type.slice(1));
      case "(":
      case "{":
        this.align(8);
        return this.values(type.slice(1, -1));
      default:
        throw new RangeError(`no D-Bus type \`${type}\``);
    }
  }

  values(signature: string): Value[] {
    return typesOf(signature).map((type) => this.value(type));
  }

  variant(): Variant {
    const signature = this.value("g") as string;
    return { signature, value: this.value(signature.slice(0, typeEnd(signature, 0))) };
  }

  array(type: string): Value[] {
    const length = this.u32();
    this.align(alignmentOf(type[0] ?? ""));
    const values: Value[] = [];
    for (const end = this.at + length; this.at < end; ) values.push(this.value(type));
    return values;
  }
}

const HEADER = 16;

/** The message at the start of `bytes`; undefined while it is not whole. @throws RangeError where it is malformed */
export function readMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < HEADER) return undefined;
  const little = bytes[0] === "l".charCodeAt(0);
  const reader = new Reader(bytes, little, 4);
  const bodySize = reader.u32();
  const serial = reader.u32();
  const bodyAt = Math.ceil((HEADER + reader.u32()) / 8) * 8;
  const size = bodyAt + bodySize;
  if (bytes.length < size) return undefined;
  reader.at = HEADER - 4;
  const fields = new Map<number, Value>();
  for (const field of reader.value("a(yv)") as readonly (readonly [number, Variant])[]) {
    fields.set(field[0], field[1].value);
  }
  const signature = (fields.get(FIELDS.signature) ?? "") as string;
  // Alignment counts from the start of the body, which is aligned itself.
  const body = new Reader(bytes.subarray(bodyAt, size), little, 0).values(signature);
  return { type: bytes[1] ?? 0, serial, fields, body, size };
}

/** All the messages in `bytes`, one after the other. */
export function readMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const message = readMessage(bytes.subarray(at));
    if (message === undefined) throw new RangeError("a D-Bus message is cut off");
    messages.push(message);
    at += message.size;
  }
  return messages;
}

/** A call as a person would write it: `StartTransientUnit("a.scope", "fail", [("Delegate", true)], [])`. */
export function callText({ fields, body }: Message): string {
  return `${fields.get(FIELDS.member)}(${body.map(valueText).join(", ")})`;
}

function valueText(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  if ("signature" in value) return valueText(value.value);
  return `[${[...(value as readonly Value[])].map(valueText).join(", ")}]`;
}
