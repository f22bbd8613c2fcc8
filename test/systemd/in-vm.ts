/**
 * The systemd driver on a real systemd, as root and (`vm-run --user`) as a user with a manager of their own:
 *
 *     test/vm/vm-run --systemd --timeout 300 -- node_modules/.bin/bun test ./test/systemd/in-vm.ts
 *
 * guest.sh does the work and prints a line for each check, since nearly all of it is what systemctl says.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const mode = process.geteuid?.() === 0 ? "system" : "user";
const runtime = process.env.RUNTIME ?? path("../../dist/tsrunc");
const { stdout } = spawnSync("bash", [path("./guest.sh"), mode, runtime], {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
});
const lines = stdout.split("\n");

for (const line of lines.filter((found) => /^(not )?ok /.test(found))) {
  test(`${mode}: ${line.replace(/^(not )?ok /, "").replace(/: expected .*/, "")}`, () => {
    expect(line).toStartWith("ok ");
  });
}

test(`${mode}: all of it was run`, () => {
  expect(lines).toContain("# done");
});
