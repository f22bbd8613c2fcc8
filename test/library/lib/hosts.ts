/** What the tests of the library share: bundles, and scripts that run under each host and print JSON. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCgroupFacts } from "../../../src/cgroups/facts.ts";
import { defaultSpec } from "../../../src/spec/defaults.ts";
import type { Spec } from "../../../src/spec/types.ts";

export const LIBRARY = join(import.meta.dir, "../../../dist/lib/index.js");

export const COMMAND_LINE = join(import.meta.dir, "../../../dist/tsrunc");

export const HOSTS: readonly (readonly [name: string, program: string])[] = [
  ["Node", "node"],
  ["Bun", process.execPath],
];

export function makeBase(): string {
  return mkdtempSync(join(tmpdir(), "tsrunc-library-"));
}

/** With the containers that a test has left when it failed: state roots in it are called `root-…`. */
export function removeBase(base: string): void {
  for (const root of readdirSync(base).filter((name) => name.startsWith("root-"))) {
    const tsrunc = (...args: string[]) =>
      spawnSync(COMMAND_LINE, ["--root", join(base, root), ...args], { encoding: "utf8" });
    for (const id of tsrunc("list", "--quiet").stdout.split("\n").filter(Boolean)) tsrunc("delete", "--force", id);
  }
  rmSync(base, { recursive: true, force: true });
}

/** A bundle with busybox as its shell. @returns its path */
export function makeBundle(
  base: string,
  name: string,
  script: string,
  change: (spec: Spec) => Partial<Spec> = () => ({}),
): string {
  const bundle = join(base, name);
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(bundle, "rootfs/bin/busybox"));
  for (const applet of ["sh", "ls", "sleep", "dd"]) symlinkSync("busybox", join(bundle, "rootfs/bin", applet));
  const spec = defaultSpec({ cgroup2: readCgroupFacts().mode === "v2" });
  const process = { ...spec.process, cwd: "/", args: ["/bin/sh", "-c", script], terminal: false } as Spec["process"];
  const made = { ...spec, process } as Spec;
  writeFileSync(join(bundle, "config.json"), JSON.stringify({ ...made, ...change(made) }));
  return bundle;
}

/** The JSON that a script prints; it gets the library as its first argument. */
export function runScript(host: string, script: string, ...args: readonly string[]): unknown {
  const options = { encoding: "utf8", timeout: 100_000 } as const;
  const result = spawnSync(host, [join(import.meta.dir, "..", script), LIBRARY, ...args], options);
  if (result.status !== 0 || result.stderr !== "") {
    throw new Error(`${script}: ${result.status ?? result.signal}: ${result.stderr}\n${result.stdout}`);
  }
  return JSON.parse(result.stdout);
}
