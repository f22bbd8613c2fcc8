import { HOST, type HostFiles } from "./host.ts";
import type { CgroupRecord } from "./types.ts";

/** What the kernel tells about memory that ran out in a cgroup and those below it. */
export interface OomState {
  /**
   * Processes that the OOM killer has ended: `oom_kill` of memory.events, on v1 of memory.oom_control (Linux 4.13).
   * Undefined where the kernel does not tell, and when the cgroup is gone.
   */
  readonly kills: number | undefined;
  /** v1 with the OOM killer disabled: processes are halted until there is memory. */
  readonly underOom: boolean;
}

export function oomState(record: CgroupRecord, host: HostFiles = HOST): OomState {
  const file = oomFile(record);
  const text = (file && host.read(file)) ?? "";
  const kills = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return { kills: kills === undefined ? undefined : Number(kills), underOom: /^under_oom 1$/m.test(text) };
}

/** How often the OOM killer struck; undefined where the kernel does not tell. */
export function oomCount(record: CgroupRecord, host: HostFiles = HOST): number | undefined {
  return oomState(record, host).kills;
}

/** The file that {@link oomState} reads. */
export function oomFile({ version, paths }: CgroupRecord): string | undefined {
  if (version === "v2") return paths[""] === undefined ? undefined : `${paths[""]}/memory.events`;
  return paths.memory === undefined ? undefined : `${paths.memory}/memory.oom_control`;
}
