/** What a verb is called with. */

import type { Context } from "../container/context.ts";
import type { Flags } from "./flags.ts";

export interface Call {
  readonly context: Context;
  readonly flags: Flags;
  readonly args: readonly string[];
}

/** A verb returns its exit status, and throws what went wrong. */
export type VerbMain = (call: Call) => number | Promise<number>;

/** The first argument; that it is there was checked by the parser. */
export function containerId(call: Call): string {
  return call.args[0] ?? "";
}
