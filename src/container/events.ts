/** events: statistics at intervals, and an event whenever memory ran out. */
import * as fs from "node:fs";
import * as path from "node:path";
import { readStats } from "../cgroups/stats.ts";
import type { Stats } from "../cgroups/stats-types.ts";
import { TsruncError } from "../errors.ts";
import { pidfdOpen, waitReadable, watchFile } from "../sys/sys.ts";
import type { Context } from "./context.ts";
import { type ContainerEvent, Follower, NO_CGROUP } from "./follower.ts";
import { isAlive, type ProcessRef } from "./proc.ts";
import type { StateRecord } from "./record.ts";
import { containerStatus } from "./state.ts";
import { loadState } from "./store.ts";

export type { ContainerEvent } from "./follower.ts";

/** Settled as soon as that process has ended. */
export type Watch = (process: ProcessRef) => Promise<void>;

export interface EventsInput {
  readonly id: string;
  readonly intervalMs: number;
}

/** One reading. @throws TsruncError `not-found`, `state` (stopped) */
export function containerStats(context: Context, id: string): Stats {
  return readStats(runningRecord(context, id).cgroup ?? NO_CGROUP);
}

/**
 * Events until the container's first process has ended, for a program that has nothing else to do: it blocks.
 *
 * @throws TsruncError `not-found`, `state` (stopped)
 */
export function* followEvents(
  context: Context,
  { id, intervalMs }: EventsInput,
): Generator<ContainerEvent, void, void> {
  const record = runningRecord(context, id);
  const follower = new Follower(record, intervalMs);
  const end = descriptor(() => openProcess(record));
  const file = follower.notifyingFile;
  const memory = file === undefined ? undefined : descriptor(() => watchFile(file));
  const fds = [end, memory].filter((fd) => fd !== undefined);
  try {
    for (;;) {
      for (let event = follower.take(); event !== undefined; event = follower.take()) yield event;
      if (follower.over) return;
      waitReadable(follower.ended ? [] : fds, follower.pause(end !== undefined && memory !== undefined));
      if (memory !== undefined) forgetNotices(memory);
      follower.look();
    }
  } finally {
    follower.stop();
    for (const fd of fds) fs.closeSync(fd);
  }
}

/**
 * Events until the container's first process has ended, while this process does other things too. It looks on, however
 * long who reads the events takes for each.
 *
 * @throws TsruncError `not-found`, `state` (stopped)
 */
export async function* containerEvents(
  context: Context,
  { id, intervalMs }: EventsInput,
  watch: Watch,
): AsyncGenerator<ContainerEvent, void, void> {
  const record = runningRecord(context, id);
  const follower = new Follower(record, intervalMs);
  let timer: NodeJS.Timeout | undefined;
  let wake: (() => void) | undefined;
  const sleep = (): void => {
    timer = setTimeout(look, follower.pause(false));
  };
  const look = (): void => {
    clearTimeout(timer);
    follower.look();
    if (!follower.over) sleep();
    wake?.();
  };
  sleep();
  watch(record).then(look, () => {}); // without it the end is seen a little later
  try {
    for (;;) {
      for (let event = follower.take(); event !== undefined; event = follower.take()) yield event;
      if (follower.over) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    follower.stop();
    clearTimeout(timer);
  }
}

function runningRecord(context: Context, id: string): StateRecord {
  const root = path.resolve(context.root);
  const record = loadState(root, id);
  if (containerStatus(root, record) !== "stopped") return record;
  throw new TsruncError("state", `container with id ${id} is not running`);
}

/** What only makes the wait shorter may fail: the next look comes anyway. */
function descriptor(open: () => number): number | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

/** A pidfd of that very process. @throws TsruncError `io` */
function openProcess(process: ProcessRef): number {
  const fd = pidfdOpen(process.pid);
  if (isAlive(process)) return fd;
  fs.closeSync(fd);
  throw new TsruncError("io", `process ${process.pid} has ended`);
}

/** All that has been told up to now. */
function forgetNotices(inotify: number): void {
  const bytes = new Uint8Array(4096);
  try {
    while (fs.readSync(inotify, bytes) > 0);
  } catch {
    // EAGAIN: there is no more.
  }
}
