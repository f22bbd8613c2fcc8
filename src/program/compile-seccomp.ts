/** linux.seccomp: the filter, and the hand-over of its listener (config-linux.md, "Seccomp"). */
import type { CompileInput } from "./input.ts";
import type { Op } from "./ops.ts";

export interface SeccompOps {
  /** Launcher, before clone. */
  readonly connect: readonly Op[];
  /** Launcher, while init loads the filter. */
  readonly launcher: readonly Op[];
  readonly init: readonly Op[];
}

export function compileSeccompOps(input: CompileInput, slot: number): SeccompOps {
  void input;
  void slot;
  return { connect: [], launcher: [], init: [] };
}
