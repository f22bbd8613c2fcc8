/** The library's example in README.md, in a directory where tsrunc is installed. */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PROJECT = join(import.meta.dir, "../../..");

/** The box that `Try it` makes. */
export function makeBox(directory: string): void {
  mkdirSync(join(directory, "box/rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(directory, "box/rootfs/bin/busybox"));
  symlinkSync("busybox", join(directory, "box/rootfs/bin/sh"));
}

/** Does what README.md says, with a program such as Node, and leaves nothing. */
export function expectExample(directory: string, host: string): void {
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
  expect(readdirSync(join(directory, "root"))).toEqual([]);
}
