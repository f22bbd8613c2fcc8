import type { LISTS, Op } from "./ops.ts";

export type ListName = (typeof LISTS)[number];

/** Makes one op fail, for tests: with that errno, or by SIGKILL. */
export interface Fault {
  readonly list: ListName;
  readonly index: number;
  readonly errno: string | "KILL";
}

/** What tsrunc-init executes. A value: made by pure functions, printed by `tsrunc plan`. */
export interface Program {
  /** Runs on the host's side, in order. Its `clone` makes the container's first process. */
  readonly launcher: readonly Op[];
  /** Runs in the container's first process. */
  readonly init: readonly Op[];
  /** Runs in the launcher after a failure, every op of it, whatever fails. */
  readonly cleanup: readonly Op[];
  /** Index of the launcher's first op whose failure is followed by `cleanup`. */
  readonly cleanupFrom: number;
  /** Descriptors from 3 upwards that the container keeps. */
  readonly keepFds: number;
}

/** What goes with a program when it is executed. */
export interface Envelope {
  /** argv of what formats a failure, the path to execute first; empty: the parent reads the report. */
  readonly reporter: readonly string[];
  /** Text for the reporter; tsrunc-init does not look at it. */
  readonly context: string;
  readonly timings: boolean;
  readonly fault?: Fault | undefined;
}
