/** What Node and Bun have as globals and QuickJS has not. Imported before everything else. */

import { bufferFrom, OwnBuffer } from "./buffer.ts";
import { attempt, timespec } from "./call.ts";
import { host } from "./host.ts";
import process from "./process.ts";

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;

class OwnTextEncoder {
  encode(text: string): Uint8Array {
    return bufferFrom(text);
  }
}

/** `Atomics.wait` on a word that nobody changes: how synchronous code sleeps in JavaScript. */
function wait(_words: unknown, _at: number, _value: number, milliseconds: number): "timed-out" {
  attempt("nanosleep", timespec(milliseconds), 0);
  return "timed-out";
}

Object.assign(globalThis, {
  Buffer: Object.assign(OwnBuffer, { from: bufferFrom }),
  TextEncoder: OwnTextEncoder,
  process,
  Atomics: { wait },
  performance: {
    get timeOrigin(): number {
      return (host.clock(CLOCK_REALTIME) - host.clock(CLOCK_MONOTONIC)) / 1e6;
    },
    now: () => host.clock(CLOCK_MONOTONIC) / 1e6,
  },
});

// Its seed is in the heap: every process would draw the same numbers.
Reflect.deleteProperty(Math, "random");
