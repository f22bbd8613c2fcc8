/** The part of `node:os` that tsrunc uses. */
import { LITTLE } from "../endian.ts";
import { call } from "./call.ts";
import { host } from "./host.ts";

/** Fields of `struct utsname`; the third is the release. */
const FIELD = 65;

export function release(): string {
  const bytes = new Uint8Array(6 * FIELD);
  call("uname", undefined, bytes);
  const start = 2 * FIELD;
  return host.decode(bytes, start, bytes.indexOf(0, start), 0);
}

export function endianness(): "LE" | "BE" {
  return LITTLE ? "LE" : "BE";
}

export const constants = { signals: host.signals };
