import { HOST, type HostFiles } from "./host.ts";
import type { CgroupRecord } from "./types.ts";

/** How often the OOM killer struck in the container's cgroup; undefined where the kernel does not tell. */
export function oomCount(record: CgroupRecord, host: HostFiles = HOST): number | undefined {
  const file = oomFile(record);
  const text = file && host.read(file);
  const found = text ? /^oom_kill (\d+)$/m.exec(text)?.[1] : undefined;
  return found === undefined ? undefined : Number(found);
}

/** The file that {@link oomCount} reads; on v2 it can be watched with inotify(7) or poll(2) POLLPRI. */
export function oomFile({ version, paths }: CgroupRecord): string | undefined {
  if (version === "v2") return paths[""] === undefined ? undefined : `${paths[""]}/memory.events`;
  return paths.memory === undefined ? undefined : `${paths.memory}/memory.oom_control`;
}
