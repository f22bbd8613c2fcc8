/** The library takes containers through their lives in-process, on both hosts. Needs root and `npm run build`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "../../src/spec/defaults.ts";

const LIBRARY = join(import.meta.dir, "../../dist/lib/index.js");
const SCRIPT = join(import.meta.dir, "life.mjs");
let base = "";

function makeBundle(name: string, args: readonly string[]): void {
  const bundle = join(base, name);
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(bundle, "rootfs/bin/busybox"));
  symlinkSync("busybox", join(bundle, "rootfs/bin/sh"));
  const spec = defaultSpec();
  const process = { ...spec.process, args, terminal: false };
  writeFileSync(join(bundle, "config.json"), JSON.stringify({ ...spec, process }));
}

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "tsrunc-library-"));
  makeBundle("bundle", ["/bin/sh", "-c", "while :; do read -t 1 x < /dev/zero; done"]);
  makeBundle("bundle-exits", ["/bin/sh", "-c", "exit 3"]);
  makeBundle("bundle-fails", ["/bin/nothing"]);
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

const HOSTS: readonly (readonly [string, string])[] = [
  ["Node", "node"],
  ["Bun", process.execPath],
];

for (const [name, host] of HOSTS) {
  test(`a whole life under ${name}`, () => {
    const root = join(base, `root-${name}`);
    const result = spawnSync(host, [SCRIPT, LIBRARY, join(base, "bundle"), root], {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({
      plan: true,
      created: "created",
      comm: "tsrunc-init",
      running: "running",
      exec: 5,
      again: "state",
      left: 0,
      status: 3,
      failed: ["op", "/process/args/0"],
    });
    expect(readdirSync(root).filter((entry) => !entry.includes("~"))).toEqual([]);
    expect(execFileSync("find", ["/sys/fs/cgroup", "-name", "life"], { encoding: "utf8" })).toBe("");
  }, 90_000);
}
