/** The cgroups that an exec's process is born in, or enters. */
import * as fs from "node:fs";
import * as path from "node:path";
import { entrance, isConfined } from "../cgroups/birth.ts";
import { parseOwnCgroups, readCgroupFacts } from "../cgroups/facts.ts";
import { cgroupDirectory } from "../cgroups/paths.ts";
import type { CgroupRecord } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";

export interface ExecCgroups {
  readonly into: string | undefined;
  readonly enter: readonly Op[];
}

/** As with runc: a hierarchy that was unmounted since the container was created confines nobody any more. */
const UNSEEN = ["ENOENT", "ENOTDIR"];

/** @throws TsruncError `usage` for a `--cgroup` that is not below the container's */
export function execCgroups(record: CgroupRecord | undefined, pid: number, wanted: readonly string[]): ExecCgroups {
  const paths: Record<string, string> = { ...record?.paths };
  for (const text of wanted) place(paths, text);
  const unified = paths[""];
  // Only the first thread of a process is there: moving itself needs no lock over all processes.
  const enter = [
    ...new Set(
      Object.entries(paths)
        .filter(([name]) => name !== "")
        .map(([, dir]) => dir),
    ),
  ].map((dir): Op => ({ op: "write", path: `${dir}/tasks`, text: "0", flags: 0, ignore: UNSEEN, what: "cgroup" }));
  if (unified === undefined) return { into: undefined, enter };
  const directory = wanted.length > 0 ? unified : leafOf(unified, pid);
  if (directory === undefined) return { into: undefined, enter };
  const way = entrance(directory, () => isConfined(directory));
  return { into: way.into, enter: [...enter, ...way.enter] };
}

/** `[controller,…:]path`, below the container's own cgroup. */
function place(paths: Record<string, string>, text: string): void {
  const colon = text.indexOf(":");
  const names = colon < 0 ? undefined : text.slice(0, colon).split(",");
  const relative = colon < 0 ? text : text.slice(colon + 1);
  for (const name of names ?? Object.keys(paths)) {
    const base = paths[name];
    if (base === undefined) throw new TsruncError("usage", `flag \`--cgroup\`: unknown controller \`${name}\``);
    const full = path.join(base, relative).replace(/\/+$/, "");
    // With the separator: `/a/bc` is not below `/a/b`.
    if (full !== base && !full.startsWith(`${base}/`)) {
      throw new TsruncError(
        "usage",
        `flag \`--cgroup\`: bad sub cgroup path \`${relative}\`: not below the container's cgroup`,
      );
    }
    if (!fs.existsSync(full))
      throw new TsruncError(
        "usage",
        `flag \`--cgroup\`: adding pid to cgroup \`${full}\`: no such file or directory (ENOENT)`,
      );
    paths[name] = full;
  }
}

/**
 * A cgroup with controllers enabled for children takes no processes ("no internal processes", cgroups(7)): a container
 * that runs systemd has moved its init further down, and exec goes there too.
 */
function leafOf(directory: string, pid: number): string | undefined {
  let own = "";
  try {
    const enabled = fs.readFileSync(`${directory}/cgroup.subtree_control`, "latin1").trim();
    if (enabled === "") return directory;
    own = fs.readFileSync(`/proc/${pid}/cgroup`, "latin1");
  } catch {
    if (fs.existsSync(directory)) return directory;
    const now = cgroupOf(pid);
    return now !== undefined && fs.existsSync(now) ? now : undefined;
  }
  const line = own
    .split("\n")
    .find((candidate) => candidate.startsWith("0::"))
    ?.slice(3);
  if (line === undefined) return directory;
  const below = line.slice(line.indexOf(path.basename(directory)) + path.basename(directory).length);
  const found = path.join(directory, below);
  return found.startsWith(`${directory}/`) && fs.existsSync(found) ? found : directory;
}

/** Where init is now: it may have left the container's cgroup, and somebody removed that as it was empty. */
function cgroupOf(pid: number): string | undefined {
  const facts = readCgroupFacts();
  const own = parseOwnCgroups(facts.host.read(`/proc/${pid}/cgroup`) ?? "").get("");
  // A cgroup namespace shows what lies above its root as `/..`.
  if (own === undefined || own.startsWith("/..") || facts.v2 === undefined) return undefined;
  return cgroupDirectory(facts.v2, { id: "", cgroupsPath: own }, "v2");
}
