/** events: statistics at intervals, and an event whenever memory ran out. */
import * as path from "node:path";
import { oomState } from "../cgroups/oom.ts";
import { countOom } from "../cgroups/oom-v1.ts";
import { readStats } from "../cgroups/stats.ts";
import type { Stats } from "../cgroups/stats-types.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { Context } from "./context.ts";
import { isAlive, type ProcessRef } from "./proc.ts";
import { containerStatus } from "./state.ts";
import { loadState, type StateRecord } from "./store.ts";

/** As the command line prints it, one line of JSON each ({@link stringifyStats}). */
export type ContainerEvent =
  | { readonly type: "stats"; readonly id: string; readonly data: Stats }
  /** The kernel has killed a process of the container for want of memory or, with its OOM killer off, halted it. */
  | { readonly type: "oom"; readonly id: string };

/** Settled as soon as that process has ended, in any way that is quicker than asking every {@link LOOK_MS}. */
export type Watch = (process: ProcessRef) => Promise<void>;

/**
 * How often the OOM counter is looked at, in milliseconds: a small read, some 0.1 % of a CPU. One counter serves v1
 * and v2, and shows what happened between two looks; the last look is when the container ends, while its cgroup is there.
 */
const LOOK_MS = 200;

/** How long v1 may take to take a cgroup down after its removal, in milliseconds: 25 to 150 as a rule. */
const DOWN_MS = 2000;
/** Between what the kernel does for the two events of a cgroup that is taken down. */
const SETTLE_MS = 20;

const NO_CGROUP: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

/** One reading. @throws TsruncError `not-found`, `state` (stopped) */
export function containerStats(context: Context, id: string): Stats {
  return readStats(runningRecord(context, id).cgroup ?? NO_CGROUP);
}

/**
 * Events until the container's first process has ended. Of statistics that nobody has taken only the latest are kept.
 *
 * @throws TsruncError `not-found`, `state` (stopped)
 */
export async function* containerEvents(
  context: Context,
  { id, intervalMs }: { readonly id: string; readonly intervalMs: number },
  watch: Watch,
): AsyncGenerator<ContainerEvent, void, void> {
  const record = runningRecord(context, id);
  const follower = new Follower(record, record.cgroup ?? NO_CGROUP, intervalMs, watch);
  try {
    for (let event = await follower.next(); event !== undefined; event = await follower.next()) yield event;
  } finally {
    follower.stop();
  }
}

function runningRecord(context: Context, id: string): StateRecord {
  const root = path.resolve(context.root);
  const record = loadState(root, id);
  if (containerStatus(root, record) !== "stopped") return record;
  throw new TsruncError("state", `container with id ${id} is not running`);
}

/** Looks on, however long who reads the events takes for each. */
class Follower {
  readonly #record: StateRecord;
  readonly #cgroup: CgroupRecord;
  readonly #intervalMs: number;
  readonly #queue: ContainerEvent[] = [];
  readonly #counter: ReturnType<typeof countOom>;
  /** Of the counter: what {@link ContainerEvent}s have told. */
  #told = 0;
  #oom: ReturnType<typeof oomState>;
  #due: number;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  #over = false;

  constructor(record: StateRecord, cgroup: CgroupRecord, intervalMs: number, watch: Watch) {
    this.#record = record;
    this.#cgroup = cgroup;
    this.#intervalMs = intervalMs;
    this.#counter = countOom(cgroup);
    this.#oom = oomState(cgroup);
    this.#told = this.#counter?.count() ?? 0;
    this.#due = performance.now() + intervalMs;
    this.#sleep();
    const look = (): void => this.#look();
    watch(record).then(look, () => {}); // without it the end is seen a little later
  }

  /** The next event; undefined when there will be none. */
  async next(): Promise<ContainerEvent | undefined> {
    while (this.#queue.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#queue.shift();
  }

  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#counter?.close();
  }

  #sleep(): void {
    const wait = Math.max(1, Math.min(LOOK_MS, this.#due - performance.now()));
    this.#timer = setTimeout(() => this.#look(), wait);
  }

  #look(): void {
    if (this.#over) return;
    clearTimeout(this.#timer);
    const alive = isAlive(this.#record);
    this.#lookAtMemory();
    if (!alive && this.#counter !== undefined && this.#oom.kills === undefined) this.#awaitRemoval(this.#counter);
    else if (!alive) this.stop();
    else {
      if (performance.now() >= this.#due) this.#takeStats();
      this.#sleep();
    }
    this.#wake?.();
  }

  #lookAtMemory(): void {
    const count = this.#counter?.count() ?? 0;
    const [before, now] = [this.#oom, oomState(this.#cgroup)];
    const killed = now.kills !== undefined && now.kills > (before.kills ?? 0);
    if (killed || (now.underOom && !before.underOom)) {
      this.#queue.push({ type: "oom", id: this.#record.id });
      this.#told = count;
    }
    this.#oom = now;
  }

  /** The cgroup was removed before it could be looked at for the last time: what the kernel counted is all there is. */
  #awaitRemoval(counter: NonNullable<ReturnType<typeof countOom>>, until = performance.now() + DOWN_MS): void {
    if (this.#over) return;
    if (!counter.gone() && performance.now() < until) {
      this.#timer = setTimeout(() => this.#awaitRemoval(counter, until), SETTLE_MS / 2);
      return;
    }
    this.#timer = setTimeout(() => {
      if (counter.count() > this.#told + 1) this.#queue.push({ type: "oom", id: this.#record.id });
      this.stop();
      this.#wake?.();
    }, SETTLE_MS);
  }

  #takeStats(): void {
    const stale = this.#queue.findIndex(({ type }) => type === "stats");
    if (stale >= 0) this.#queue.splice(stale, 1);
    this.#queue.push({ type: "stats", id: this.#record.id, data: readStats(this.#cgroup) });
    this.#due = Math.max(this.#due + this.#intervalMs, performance.now());
  }
}
