/** The runtimes that are compared. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";

export const CHECKOUT = path.resolve(import.meta.dirname, "..");

export interface Runtime {
  readonly name: string;
  /** Words that a verb may follow, but for `--root`. */
  readonly command: readonly string[];
  /** First line of what `--version` prints. */
  readonly version: string;
  /** Where its containers' state is. */
  readonly root: string;
}

/** Those that are there: the checkout's, Debian's runc and crun, and those asked for by name. */
export function findRuntimes(asked: ReadonlyMap<string, string>, states: string): readonly Runtime[] {
  const usual = [
    ["tsrunc", path.join(CHECKOUT, "dist/tsrunc")],
    ["runc", "runc"],
    ["crun", "crun"],
  ] as const;
  const commands = new Map([...usual, ...asked]);
  const found: Runtime[] = [];
  for (const [name, text] of commands) {
    const command = text
      .split(/\s+/)
      .map((word) => (word.includes("/") && existsSync(word) ? path.resolve(word) : word));
    const version = versionOf(command);
    if (version === undefined && asked.has(name)) throw new Error(`\`${text} --version\` does not work`);
    if (version === undefined) continue;
    const root = path.join(states, name);
    mkdirSync(root, { recursive: true, mode: 0o711 });
    found.push({ name, command, version, root });
  }
  return found;
}

function versionOf([program = "", ...args]: readonly string[]): string | undefined {
  const done = spawnSync(program, [...args, "--version"], { encoding: "utf8" });
  return done.status === 0 ? done.stdout.split("\n")[0] : undefined;
}

/** The words of a verb's call. */
export function call(runtime: Runtime, ...words: readonly string[]): readonly string[] {
  return [...runtime.command, "--root", runtime.root, ...words];
}
