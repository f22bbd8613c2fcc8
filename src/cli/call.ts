/** What a verb is called with. */

import type { Context } from "../container/context.ts";
import { absolutePath } from "../container/paths.ts";
import { startTiming } from "../timing.ts";
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

/** The context with what `--timings` and `--timings-svg` ask for, measuring from here on. */
export function timedContext(call: Call, verb: string): Context {
  const { context, flags } = call;
  const [text, svg] = [flags.bool("timings"), flags.string("timings-svg")];
  if (!text && svg === undefined) return context;
  startTiming(context.start);
  const title = `tsrunc ${verb} ${containerId(call)}`;
  return {
    ...context,
    timings: { text, title, ...(svg === undefined ? {} : { svg: absolutePath(svg, "flag `--timings-svg`") }) },
  };
}
