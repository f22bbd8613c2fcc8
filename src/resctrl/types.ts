import type { Op } from "../program/ops.ts";

/** What `state.json` keeps of a container's groups in resctrl. */
export interface ResctrlRecord {
  /** Directories whose `tasks` its processes are written to, in this order. */
  readonly groups: readonly string[];
  /** Directories that were made for it and go with it, in the order in which they were made. */
  readonly made: readonly MadeGroup[];
}

export interface MadeGroup {
  readonly path: string;
  /** It has a name that others may use too: it goes only where nobody is in it. */
  readonly shared?: boolean;
}

/** `linux.intelRdt`, compiled. */
export interface ResctrlPlan {
  /** Before the container's process exists: groups and what they may use. */
  readonly prepare: readonly Op[];
  /** After a create that failed: what groups that were there before could use before. */
  readonly restore: readonly Op[];
  /** What is to be taken away where create fails. */
  readonly creating: ResctrlRecord;
  readonly record: ResctrlRecord;
}
