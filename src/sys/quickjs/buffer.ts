import { host, LATIN1, UTF8 } from "./host.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const word = (a << 16) | (b << 8) | c;
    const left = bytes.length - i;
    text += DIGITS[word >> 18];
    text += DIGITS[(word >> 12) & 63];
    text += left > 1 ? DIGITS[(word >> 6) & 63] : "=";
    text += left > 2 ? DIGITS[word & 63] : "=";
  }
  return text;
}

/** The part of Node's `Buffer` that tsrunc uses. */
export class OwnBuffer extends Uint8Array {
  static alloc(size: number): OwnBuffer {
    return new OwnBuffer(size);
  }

  static byteLength(text: string): number {
    return host.byteLength(text);
  }

  static concat(parts: readonly Uint8Array[]): OwnBuffer {
    const whole = new OwnBuffer(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  write(text: string, at: number): number {
    return host.encode(text, this, at);
  }

  copy(target: Uint8Array, at: number, start: number, end: number): void {
    target.set(this.subarray(start, end), at);
  }

  override toString(encoding: "utf8" | "latin1" | "base64" = "utf8", start = 0, end = this.length): string {
    const last = Math.min(end, this.length);
    if (last <= start) return "";
    if (encoding === "base64") return base64(this.subarray(start, last));
    return host.decode(this, start, last, encoding === "latin1" ? LATIN1 : UTF8);
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, i) => byte === other[i]);
  }

  writeUInt32LE(value: number, at: number): void {
    this.#view().setUint32(at, value, true);
  }

  readUInt32LE(at: number): number {
    return this.#view().getUint32(at, true);
  }

  readInt32LE(at: number): number {
    return this.#view().getInt32(at, true);
  }

  readBigUInt64LE(at: number): bigint {
    return this.#view().getBigUint64(at, true);
  }

  #view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.length);
  }
}

/** `Buffer.from`: text, bytes (copied) or an ArrayBuffer (not copied). */
export function bufferFrom(source: string | Uint8Array | ArrayBuffer): OwnBuffer {
  if (typeof source === "string") {
    const bytes = new OwnBuffer(host.byteLength(source));
    bytes.write(source, 0);
    return bytes;
  }
  if (source instanceof ArrayBuffer) return new OwnBuffer(source);
  const bytes = new OwnBuffer(source.length);
  bytes.set(source);
  return bytes;
}
