/** A resctrl for tests, and how the runtime gets to see it. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Scope } from "../../conformance/lib/harness.ts";
import { until } from "../../conformance/lib/runtime.ts";
import { workspace } from "../../conformance/lib/workspace.ts";

/** Shows a command a resctrl at $1: the rest of the table is its own. */
const SHOW = `
  { cat /proc/self/mountinfo; echo "9 9 0:99 / $1 rw - resctrl resctrl rw"; } > "$1.table" &&
  mount --bind "$1.table" /proc/$$/mountinfo && shift && exec "$@"`;

export interface Resctrl {
  /** For the runtime: what it takes for a mounted resctrl. */
  readonly wrap: readonly string[];
  readonly read: (file: string) => string;
  readonly exists: (file: string) => boolean;
  readonly make: (group: string, schemata?: string) => void;
  /** All changes up to now, as "mkdir /a", "write /a/tasks 7". */
  readonly changes: () => readonly string[];
}

let count = 0;

function program(): string {
  const target = path.join(workspace(), "resctrl");
  const source = path.join(import.meta.dirname, "fake.c");
  if (!existsSync(target)) execFileSync("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", target, source]);
  return target;
}

export async function mounted(t: Scope, groups = 8): Promise<Resctrl> {
  const mount = path.join(workspace(), `resctrl-${++count}`);
  const file = `${mount}.log`;
  mkdirSync(mount);
  const out = openSync(file, "w");
  const child = spawn(program(), [mount, `${groups}`], { stdio: ["ignore", out, "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const log = () => readFileSync(file, "utf8").trim().split("\n");
  await until("the file system", () => (log()[0] === "ready" ? true : undefined));
  t.cleanup(async () => {
    spawnSync("umount", [mount]);
    await gone;
  });
  return {
    wrap: ["unshare", "-m", "sh", "-c", SHOW, "sh", mount],
    read: (name) => readFileSync(path.join(mount, name), "utf8"),
    exists: (name) => existsSync(path.join(mount, name)),
    make: (group, schemata) => {
      mkdirSync(path.join(mount, group));
      if (schemata !== undefined) writeFileSync(path.join(mount, group, "schemata"), schemata);
    },
    changes: () => log().slice(1),
  };
}
