import process from "node:process";
import { TsruncError } from "../errors.ts";
import { isFrozen } from "./freeze.ts";
import { HOST } from "./host.ts";
import { sleep, writeFile } from "./host-write.ts";
import { listPids } from "./pids.ts";
import type { CgroupRecord } from "./types.ts";

const SIGKILL = 9;
/** How long processes may take to freeze; then they are signalled while they run. */
const FREEZE_MS = 2_000;
const ROUNDS = 100;

/**
 * Sends a signal to all processes in a container's cgroup and those below it; that there are none is no error.
 *
 * Nothing is to escape by forking between the look and the signal. So SIGKILL goes through cgroup.kill where there
 * is one (cgroup v2, Linux 5.14). Else they are frozen meanwhile, which also keeps their pids from being given
 * to others; where they cannot be frozen, it is repeated until no new ones come up. Afterwards a container that was
 * paused is so still, but for SIGKILL: on v1 the frozen do not die.
 */
export function signalAll(record: CgroupRecord, signal: number): void {
  refuseRoot(record);
  const freezer = freezerOf(record);
  const unified = record.paths[""];
  // On a hybrid host the unified cgroup has the same processes, and the freezer is of v1.
  const whole = signal === SIGKILL && unified !== undefined && writeFile(`${unified}/cgroup.kill`, "1");
  // Where they cannot be frozen none of them is to make others meanwhile.
  const pids = freezer === undefined ? record.paths.pids : undefined;
  if (signal === SIGKILL && pids !== undefined) writeFile(`${pids}/pids.max`, "0");
  if (!whole) signalListed(record, signal, freezer);
  if (signal === SIGKILL && freezer !== undefined && record.version !== "v2") writeFile(freezer.file, freezer.thaw);
}

/** Its processes are all of the host's, whatever a damaged state says. */
function refuseRoot(record: CgroupRecord): void {
  for (const path of Object.values(record.paths)) {
    // Files that v1 has in the root only, and v2 everywhere else.
    const isRoot = HOST.exists(`${path}/cgroup.sane_behavior`) || isRootOfV2(path);
    if (isRoot)
      throw new TsruncError("state", `\`${path}\` is the root of a hierarchy, and no cgroup of a container's`);
  }
}

function isRootOfV2(path: string): boolean {
  return HOST.exists(`${path}/cgroup.controllers`) && !HOST.exists(`${path}/cgroup.type`);
}

function signalListed(record: CgroupRecord, signal: number, freezer: Freezer | undefined): void {
  const paused = isFrozen(record);
  const frozen = paused || (freezer !== undefined && freeze(freezer));
  try {
    const seen = new Set<number>();
    for (let round = 0; round < ROUNDS; round++) {
      const fresh = listPids(record, { recursive: true }).filter((pid) => !seen.has(pid));
      for (const pid of fresh) send(pid, signal);
      for (const pid of fresh) seen.add(pid);
      // Another signal than SIGKILL is sent once: what is forked by a handler has not earned it.
      if (frozen || fresh.length === 0 || signal !== SIGKILL) break;
    }
  } finally {
    if (freezer !== undefined && !paused) writeFile(freezer.file, freezer.thaw);
  }
}

function send(pid: number, signal: number): void {
  // 0 stands for a process of a pid namespace that we cannot see, and for our own group in kill(2).
  if (pid <= 0) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

interface Freezer {
  readonly file: string;
  readonly freeze: string;
  readonly thaw: string;
  readonly poll: string;
  readonly frozen: string;
}

function freezerOf({ version, paths }: CgroupRecord): Freezer | undefined {
  const directory = version === "v2" ? paths[""] : paths.freezer;
  if (directory === undefined) return undefined;
  if (version !== "v2") {
    const file = `${directory}/freezer.state`;
    return { file, freeze: "FROZEN", thaw: "THAWED", poll: file, frozen: "FROZEN" };
  }
  return {
    file: `${directory}/cgroup.freeze`,
    freeze: "1",
    thaw: "0",
    poll: `${directory}/cgroup.events`,
    frozen: "frozen 1",
  };
}

function freeze({ file, freeze, poll, frozen }: Freezer): boolean {
  const end = performance.now() + FREEZE_MS;
  for (let pause = 0.1; ; pause = Math.min(2 * pause, 10)) {
    if (!writeFile(file, freeze)) return false;
    if (HOST.read(poll)?.includes(frozen) === true) return true;
    if (performance.now() > end) return false;
    sleep(pause);
  }
}
