/** The cgroup that all measured containers are put below, in each hierarchy, made as an engine makes its own. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { type CgroupFacts, readCgroupFacts, unifiedControllers } from "../src/cgroups/facts.ts";

export class Cgroups {
  readonly version: 1 | 2;
  /** Of the parent, as `linux.cgroupsPath` has it. */
  readonly path: string;
  /** The parent's directory in each hierarchy; the one that is limited by memory first. */
  readonly directories: readonly string[];

  constructor(tag: string) {
    const facts = readCgroupFacts();
    if (facts.mode === "none") throw new Error("no cgroups are mounted");
    this.version = facts.mode === "v2" ? 2 : 1;
    this.path = `/${tag}`;
    const hierarchies = this.version === 2 ? [facts.v2!] : facts.v1;
    this.directories = hierarchies.map(({ mount }) => path.join(mount, tag));
    for (const directory of this.directories) mkdirSync(directory);
    if (this.version === 2) this.#enableControllers(facts);
  }

  #enableControllers(facts: CgroupFacts): void {
    const enabled = unifiedControllers(facts).map((controller) => `+${controller}`);
    for (const directory of [facts.v2!.mount, ...this.directories]) {
      writeFileSync(path.join(directory, "cgroup.subtree_control"), enabled.join(" "));
    }
  }

  /** Directories of one container. */
  of(name: string): readonly string[] {
    return this.directories.map((directory) => path.join(directory, name));
  }

  /** Directories that are left of containers. */
  left(): readonly string[] {
    return this.directories.flatMap((directory) => childrenOf(directory).map((child) => path.join(directory, child)));
  }

  /** Kills whatever is in there and removes the containers' cgroups. */
  clear(): void {
    const end = Date.now() + 5000;
    while (this.left().length > 0 && Date.now() < end) {
      for (const directory of this.left()) clearTree(directory);
    }
  }

  /** {@link clear}, and the parent. */
  remove(): void {
    this.clear();
    for (const directory of this.directories) removeQuietly(directory);
  }
}

function childrenOf(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

function clearTree(directory: string): void {
  for (const child of childrenOf(directory)) clearTree(path.join(directory, child));
  try {
    for (const pid of readFileSync(path.join(directory, "cgroup.procs"), "utf8").split("\n")) {
      if (Number(pid) > 0) process.kill(Number(pid), "SIGKILL");
    }
  } catch {
    // the cgroup or the process has gone in the meantime
  }
  removeQuietly(directory);
}

function removeQuietly(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // gone, or still busy: tried again
  }
}
