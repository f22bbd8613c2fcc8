/** The part of `node:os` that tsrunc uses. */
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
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? "LE" : "BE";
}

const SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

export const constants = {
  signals: Object.fromEntries(SIGNALS.split(" ").map((name, i) => [`SIG${name}`, i + 1])) as Record<string, number>,
};
