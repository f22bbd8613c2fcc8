/** What another process is still creating can be used as soon as it is done: who asks earlier waits. */
import { sleep } from "../cgroups/host-write.ts";
import type { StateRecord } from "./record.ts";
import { isBeingCreated } from "./state.ts";
import { loadState } from "./store.ts";

/** Between two looks, in milliseconds. */
const SHORTEST_PAUSE = 1;
const LONGEST_PAUSE = 20;
/** For verbs that end a container: a create that hangs must not keep them for ever, and `delete --force` ends it. */
export const PATIENCE_MS = 10_000;

/**
 * Does something with a container's record: at once, or when its creator is done, dead, or has taken `limitMs`.
 *
 * @throws TsruncError `not-found`, also where the create fails meanwhile
 */
export function whenCreated(
  root: string,
  id: string,
  act: (record: StateRecord) => number | Promise<number>,
  limitMs = Number.POSITIVE_INFINITY,
): number | Promise<number> {
  const record = loadState(root, id);
  return isBeingCreated(record) ? created(root, id, limitMs).then(act) : act(record);
}

async function created(root: string, id: string, limitMs: number): Promise<StateRecord> {
  const until = performance.now() + limitMs;
  for (let pause = SHORTEST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const record = loadState(root, id);
    if (!isBeingCreated(record) || performance.now() > until) return record;
    await rest(pause);
  }
}

/** The library's process has other things to do meanwhile; the executable's engine knows no timers. */
async function rest(milliseconds: number): Promise<void> {
  if (typeof setTimeout === "function") await new Promise((resolve) => setTimeout(resolve, milliseconds));
  else sleep(milliseconds);
}
