/** The library's example in README.md does what it says, under both hosts. Needs root and `npm run build`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOSTS } from "./lib/hosts.ts";

const PROJECT = join(import.meta.dir, "../..");
let directory = "";

/** A project that has tsrunc installed, and the box that `Try it` makes. */
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tsrunc-readme-"));
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(PROJECT, join(directory, "node_modules/tsrunc"));
  mkdirSync(join(directory, "box/rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(directory, "box/rootfs/bin/busybox"));
  symlinkSync("busybox", join(directory, "box/rootfs/bin/sh"));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

for (const [name, host] of HOSTS) {
  test(`the example of README.md under ${name}`, () => {
    const readme = readFileSync(join(PROJECT, "README.md"), "utf8");
    const [, example = ""] = /^```js\n(.*?)^```/ms.exec(readme) ?? [];
    // Nothing else is changed than what two runs at once would have in common.
    const own = example
      .replaceAll('"demo"', `"demo-${process.pid}"`)
      .replace("/run/tsrunc-library", join(directory, "root"));
    writeFileSync(join(directory, "example.mjs"), own);
    const result = spawnSync(host, ["example.mjs"], { cwd: directory, encoding: "utf8", timeout: 30_000 });
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe("created 1\nhello\nexit status 3\n");
    expect(readdirSync(join(directory, "root")).filter((entry) => !entry.includes("~"))).toEqual([]);
  }, 40_000);
}
