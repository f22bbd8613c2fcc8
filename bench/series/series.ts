/** What a series is. */
import type { Answer, Step } from "../launcher.ts";

/** One measured duration. */
export interface Sample {
  /** What was measured: `create`, `run with seccomp` … */
  readonly metric: string;
  readonly ns: number;
  readonly maxRssKib?: number;
}

/** Something that is compared: a runtime, the floor, the library. */
export interface Contender {
  readonly name: string;
  /** Takes one sample of each of the series' metrics. @throws Error when anything is not as it must be */
  measure(): Promise<readonly Sample[]>;
}

/** Contenders that are measured one after the other, in random order, `rounds` times. */
export interface Series {
  readonly name: string;
  readonly rounds: number;
  readonly contenders: readonly Contender[];
  /** Ends what the contenders have running. */
  close?(): void;
}

/** A step with its name; steps without one are not sampled. */
export type NamedStep = readonly [metric: string | undefined, step: Step];

/** The samples of steps of one command each. */
export function samplesOf(steps: readonly NamedStep[], answer: Answer): readonly Sample[] {
  return steps.flatMap(([metric], index) => {
    const result = answer.steps[index];
    if (metric === undefined || result === undefined) return [];
    const [command] = result.commands;
    return [{ metric, ns: result.ns, ...(command === undefined ? {} : { maxRssKib: command.maxRssKib }) }];
  });
}
