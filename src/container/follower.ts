/** What the verb `events` and the library's `events` tell of one container. */
import { oomFile, oomState } from "../cgroups/oom.ts";
import { countOom, type OomCounter } from "../cgroups/oom-v1.ts";
import { readStats } from "../cgroups/stats.ts";
import type { Stats } from "../cgroups/stats-types.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { isAlive } from "./proc.ts";
import type { StateRecord } from "./record.ts";

/** As the command line prints it, one line of JSON each (`stringifyStats`). */
export type ContainerEvent =
  | { readonly type: "stats"; readonly id: string; readonly data: Stats }
  /** The kernel has killed a process of the container for want of memory or, with its OOM killer off, halted it. */
  | { readonly type: "oom"; readonly id: string };

/**
 * How often the OOM counter is looked at, in milliseconds, where nothing tells of it: a small read, some 0.1 % of a CPU.
 * One counter serves v1 and v2, and shows what happened between two looks; the last look is when the container ends,
 * while its cgroup is there.
 */
const LOOK_MS = 200;
/** How long v1 may take to take a cgroup down after its removal, in milliseconds: 25 to 150 as a rule. */
const DOWN_MS = 2000;
/** Between what the kernel does for the two events of a cgroup that is taken down. */
const SETTLE_MS = 20;

export const NO_CGROUP: CgroupRecord = { version: "none", manager: "disabled", paths: {} };

/**
 * Looks at a container whenever it is told to, and keeps the events that nobody has taken: of statistics the latest.
 * It does not wait, since the command line and the library wait in different ways.
 */
export class Follower {
  readonly #record: StateRecord;
  readonly #cgroup: CgroupRecord;
  readonly #intervalMs: number;
  readonly #queue: ContainerEvent[] = [];
  readonly #counter: OomCounter | undefined;
  /** Of the counter: what events have told. */
  #told: number;
  #oom: ReturnType<typeof oomState>;
  /** When statistics are due. */
  #due: number;
  /** When the wait for the removal of the cgroup ends: the container has ended, and its cgroup was gone by then. */
  #removalUntil: number | undefined;
  #removed = false;
  #over = false;

  constructor(record: StateRecord, intervalMs: number) {
    this.#record = record;
    this.#cgroup = record.cgroup ?? NO_CGROUP;
    this.#intervalMs = intervalMs;
    this.#counter = countOom(this.#cgroup);
    this.#oom = oomState(this.#cgroup);
    this.#told = this.#counter?.count() ?? 0;
    this.#due = performance.now() + intervalMs;
  }

  /** Whether there will be no more events than those that {@link take} still gives. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether the container's process had ended when it was looked at. */
  get ended(): boolean {
    return this.#over || this.#removalUntil !== undefined;
  }

  /** The file whose modification tells of an OOM at once; undefined where there is none, as on v1. */
  get notifyingFile(): string | undefined {
    return this.#cgroup.version === "v2" ? oomFile(this.#cgroup) : undefined;
  }

  /** The next event; undefined when there is none yet. */
  take(): ContainerEvent | undefined {
    return this.#queue.shift();
  }

  /** Milliseconds until the next look is due. `notified`: the end of the process and an OOM will be told of anyway. */
  pause(notified: boolean): number {
    if (this.#removed) return SETTLE_MS;
    if (this.#removalUntil !== undefined) return SETTLE_MS / 2;
    const left = Math.max(1, this.#due - performance.now());
    return notified ? left : Math.min(LOOK_MS, left);
  }

  look(): void {
    if (this.#over) return;
    if (this.#removalUntil !== undefined) {
      this.#lookForRemoval(this.#removalUntil);
      return;
    }
    const alive = isAlive(this.#record);
    this.#lookAtMemory();
    if (alive && performance.now() >= this.#due) this.#takeStats();
    if (alive) return;
    // Where the cgroup was removed before it could be looked at for the last time, the kernel's counter is all there is.
    if (this.#counter !== undefined && this.#oom.kills === undefined) this.#removalUntil = performance.now() + DOWN_MS;
    else this.stop();
  }

  stop(): void {
    this.#over = true;
    this.#counter?.close();
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

  #lookForRemoval(until: number): void {
    if (!this.#removed) {
      this.#removed = this.#counter?.gone() !== false || performance.now() >= until;
      return;
    }
    if ((this.#counter?.count() ?? 0) > this.#told + 1) this.#queue.push({ type: "oom", id: this.#record.id });
    this.stop();
  }

  #takeStats(): void {
    const stale = this.#queue.findIndex(({ type }) => type === "stats");
    if (stale >= 0) this.#queue.splice(stale, 1);
    this.#queue.push({ type: "stats", id: this.#record.id, data: readStats(this.#cgroup) });
    this.#due = Math.max(this.#due + this.#intervalMs, performance.now());
  }
}
