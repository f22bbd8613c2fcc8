/** Calls from a working directory that was deleted: absolute paths do, relative ones are refused, not taken from `/`. */
import { existsSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { type Result, runtime } from "./lib/runtime.ts";
import { stateRoot } from "./lib/workspace.ts";

area();

async function call(c: Container, words: readonly string[], global = ["--root", stateRoot()]): Promise<Result> {
  const shell = `mkdir '${c.file("gone")}' && cd '${c.file("gone")}' && rmdir '${c.file("gone")}' &&`;
  return await runtime(words, { shell, global, stdout: c.file("output") });
}

/** What is refused, by the flag that the message names. */
const RELATIVE: Readonly<Record<string, (c: Container) => readonly [words: readonly string[], global?: string[]]>> = {
  "flag `--bundle`: `.`": (c) => [["create", c.id]],
  "flag `--bundle`: `b`": (c) => [["run", "--bundle", "b", c.id]],
  "flag `--root`: `state`": (c) => [
    ["create", "--bundle", c.bundle, c.id],
    ["--root", "state"],
  ],
  "flag `--log`: `log`": (c) => [
    ["create", "--bundle", c.bundle, c.id],
    ["--root", stateRoot(), "--log", "log"],
  ],
  "flag `--pid-file`: `pid`": (c) => [["create", "--bundle", c.bundle, "--pid-file", "pid", c.id]],
  "flag `--console-socket`: `tty`": (c) => {
    c.spec.process.terminal = true;
    c.save();
    return [["create", "--bundle", c.bundle, "--console-socket", "tty", c.id]];
  },
  "flag `--bundle`: `.` ": () => [["spec"]],
  "`seccomp`: `.`": () => [["seccomp", "stats"]],
};

for (const [flag, words] of Object.entries(RELATIVE)) {
  checkTsrunc(`in a deleted directory ${flag} is refused`, async (t) => {
    const c = t.container();
    c.save();
    const { code, stderr } = await call(c, ...words(c));
    expect({ code, lines: stderr.trimEnd().split("\n").length }).toEqual({ code: 1, lines: 1 });
    expect(stderr).toContain(`${flag.trim()} is relative, and the working directory was deleted`);
    expect(["/config.json", "/state", "/pid", "/log"].filter((path) => existsSync(path))).toEqual([]);
    expect(await t.leftNow()).toEqual([]);
  });
}

checkTsrunc(
  "in a deleted directory exec refuses a relative --process and --pid-file, with its own status",
  async (t) => {
    const c = t.container();
    await c.up();
    for (const [flag, words] of [
      ["--process", ["--process", "p.json", c.id]],
      ["--pid-file", ["--pid-file", "pid", c.id, "/bin/probe", "exit"]],
    ] as const) {
      const { code, stderr } = await call(c, ["exec", ...words]);
      expect({ flag, code, told: stderr.includes(`flag \`${flag}\`: `) }).toEqual({ flag, code: 255, told: true });
    }
    await c.down();
  },
);

check("in a deleted directory a container has its whole life by absolute paths", async (t) => {
  const c = t.container();
  c.spec.process.args = ["/bin/probe", "wait"];
  c.save();
  const process = { args: ["/bin/probe", "exit", "7"], cwd: "/", env: [], user: { uid: 0, gid: 0 } };
  writeFileSync(c.file("process.json"), JSON.stringify(process));
  const create = ["create", "--bundle", c.bundle, "--pid-file", c.file("pid"), c.id];
  const global = ["--root", stateRoot(), "--log", c.file("log")];
  c.known = true;
  expect((await call(c, create, global)).code).toBe(0);
  expect((await call(c, ["start", c.id], global)).code).toBe(0);
  expect(existsSync(c.file("pid"))).toBe(true);
  expect((await call(c, ["exec", "--process", c.file("process.json"), c.id], global)).code).toBe(7);
  expect((await call(c, ["state", c.id], global)).code).toBe(0);
  expect((await call(c, ["delete", "--force", c.id], global)).code).toBe(0);
  c.known = false;
  expect(await t.leftNow()).toEqual([]);
});
