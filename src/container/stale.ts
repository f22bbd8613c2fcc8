/** What a create that died has left behind, where its id is used again. */
import type { HostFiles } from "../cgroups/host.ts";
import { removalOps } from "../program/compile-delete.ts";
import type { HostFacts } from "../program/input.ts";
import type { Op } from "../program/ops.ts";
import type { Program } from "../program/program.ts";
import { isAlive } from "./proc.ts";
import type { StateRecord } from "./record.ts";
import { killOp, leaveOps, removalInput, thawOps } from "./removal.ts";

/** The program with what `delete --force` would do in front. The directory of the state is taken over by the claim. */
export function afterRemoval(program: Program, root: string, stale: StateRecord | undefined): Program {
  if (stale === undefined) return program;
  const kill: Op[] = isAlive(stale) ? [...thawOps(stale), killOp(stale)] : [];
  const removal = removalOps(removalInput(root, stale), leaveOps(stale)).filter(({ op }) => op !== "removeDir");
  return { ...program, launcher: [...kill, ...removal, ...program.launcher] };
}

/** The host as it will be then, for the plan of the new cgroup: of the same name, as a rule. */
export function factsAfterRemoval(facts: HostFacts, stale: StateRecord | undefined): HostFacts {
  const groups = stale?.resctrl?.made ?? [];
  const paths = [...Object.values(stale?.cgroup?.paths ?? {}), ...groups.map(({ path }) => path)];
  if (paths.length === 0) return facts;
  const gone = (path: string) => paths.some((removed) => path === removed || path.startsWith(`${removed}/`));
  const { host } = facts.cgroup;
  const without: HostFiles = {
    ...host,
    exists: (path) => !gone(path) && host.exists(path),
    read: (path) => (gone(path) ? undefined : host.read(path)),
    directories: (path) => (gone(path) ? [] : host.directories(path).filter((name) => !gone(`${path}/${name}`))),
  };
  return { ...facts, cgroup: { ...facts.cgroup, host: without } };
}
