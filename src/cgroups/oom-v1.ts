/**
 * What cgroup v1 still tells of OOM when the cgroup is gone: none of its files can be read then, open or not (kernfs gives
 * ENODEV), but a registered eventfd keeps its count. The kernel adds one for each OOM, before the OOM killer chooses, and
 * one when it takes the cgroup down, an RCU grace period after rmdir (cgroup-v1/memcg_test.rst, mm/memcontrol-v1.c).
 */
import * as fs from "node:fs";
import { eventfd } from "../sys/sys.ts";
import type { CgroupRecord } from "./types.ts";

/** Far from any usage: this event is told by the cgroup's removal alone. */
const NEVER = "9223372036854771712";

export interface OomCounter {
  /** OOMs so far and, once {@link gone}, one more. */
  readonly count: () => number;
  /** Whether the kernel has taken the cgroup down. */
  readonly gone: () => boolean;
  readonly close: () => void;
}

/** Undefined on v2 and wherever the kernel will not count. */
export function countOom({ version, paths }: CgroupRecord): OomCounter | undefined {
  const { memory } = paths;
  if (version === "v2" || memory === undefined) return undefined;
  const opened: number[] = [];
  const close = (): void => {
    for (const fd of opened.splice(0)) fs.closeSync(fd);
  };
  try {
    const count = total(register(memory, "memory.oom_control", "", opened));
    const ends = total(register(memory, "memory.usage_in_bytes", NEVER, opened));
    return { count, gone: () => ends() > 0, close };
  } catch {
    close();
    return undefined;
  }
}

function register(directory: string, file: string, argument: string, opened: number[]): number {
  const fd = eventfd();
  opened.push(fd);
  const watched = fs.openSync(`${directory}/${file}`, "r");
  try {
    fs.writeFileSync(`${directory}/cgroup.event_control`, `${fd} ${watched} ${argument}`);
  } finally {
    fs.closeSync(watched);
  }
  return fd;
}

/** A read takes the count away (eventfd(2)), so it is summed up here. */
function total(fd: number): () => number {
  const bytes = new BigUint64Array(1);
  let sum = 0;
  return () => {
    try {
      if (fs.readSync(fd, bytes) === 8) sum += Number(bytes[0]);
    } catch {
      // EAGAIN: nothing new.
    }
    return sum;
  };
}
