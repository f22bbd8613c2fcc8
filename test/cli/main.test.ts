/** The program as a process: exit status, streams, log files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

const MAIN = path.join(import.meta.dir, "../../src/cli/main.ts");
let directory: string;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-cli-"));
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function tsrunc(...args: string[]): Result {
  const root = args.includes("--root") ? [] : ["--root", path.join(directory, "root")];
  const done = Bun.spawnSync([process.execPath, MAIN, ...root, ...args], { cwd: directory });
  return { status: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

const ERROR_LINE = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg=.*\n$/;

test("--version: name, commit, spec", () => {
  const { status, out, err } = tsrunc("--version");
  expect(out).toMatch(/^tsrunc version \d+\.\d+\.\d+\S*\ncommit: \S+\nspec: \d+\.\d+\.\d+\n$/);
  expect([status, err]).toEqual([0, ""]);
});

test("help is on stdout with status 0; an unknown topic is an error", () => {
  expect(tsrunc("state", "-h")).toMatchObject({ status: 0, err: "" });
  expect(tsrunc().out).toStartWith("NAME:\n");
  const { status, err } = tsrunc("foo", "-h");
  expect(status).toBe(1);
  expect(err).toContain("No help topic for 'foo'");
});

describe("errors are one line on stderr with status 1, for exec 255", () => {
  const cases: readonly [number, string, ...string[]][] = [
    [1, "container does not exist: `x`", "state", "x"],
    [1, "unknown flag `--bundel` of `run`; did you mean `--bundle`?", "run", "--bundel", "d", "x"],
    [1, "unknown command `stat`; did you mean `start`?", "stat", "x"],
    [1, "unknown flag `--debgu`; did you mean `--debug`?", "--debgu", "list"],
    [1, "expected table or json, found `jsn`; did you mean `json`?", "list", "--format", "jsn"],
    [1, "expected bash or zsh or fish, found `fsh`; did you mean `fish`?", "completion", "fsh"],
    [1, "missing argument ID", "start"],
    [1, "invalid container id `../x`", "state", "../x"],
    [1, "expected text or json, found `xml`", "--log-format", "xml", "list"],
    [1, "the root directory of the system cannot hold state", "--root", "/", "list"],
    [255, "unknown flag `--bogus` of `exec`", "exec", "--bogus", "x", "ls"],
    [255, "missing argument ID", "exec"],
  ];
  for (const [expected, message, ...args] of cases) {
    test(args.join(" "), () => {
      const { status, out, err } = tsrunc(...args);
      expect([status, out]).toEqual([expected, ""]);
      expect(err).toMatch(ERROR_LINE);
      expect(err).toContain(message);
    });
  }
});

test("with --log the line goes there, and the bare message to stderr", () => {
  const log = path.join(directory, "log.json");
  const { err } = tsrunc("--log", log, "--log-format", "json", "state", "x");
  expect(err).toBe("container does not exist: `x`\n");
  const line = JSON.parse(fs.readFileSync(log, "utf8")) as Record<string, string>;
  expect(Object.keys(line)).toEqual(["level", "msg", "time"]);
  expect(line).toMatchObject({ level: "error", msg: "container does not exist: `x`" });
});

describe("errors of the command line reach the log, wherever it is named", () => {
  const lines = [
    ["state", "--log", "LOG", "--log-format=json", "state", "--bogus", "x"],
    ["before", "--bogus", "--log", "LOG", "--log-format", "json", "list"],
    ["verb", "frob", "--log=LOG", "--log-format=json"],
    ["behind", "state", "--bogus", "x", "--log-format=json", "--log=LOG"],
    ["count", "-log=LOG", "-log-format=json", "start"],
    ["format", "--log-format=xml", "--log-format=json", "--log=LOG", "list"],
    ["choice", "--log=LOG", "--log-format=json", "list", "--format", "yaml"],
    ["value", "--log=LOG", "--log-format=json", "exec", "--preserve-fds", "many", "x", "ls"],
    ["missing", "--log=LOG", "--log-format=json", "run", "x", "--bundle"],
    ["exec", "exec", "--cwd", "--log", "--bogus", "--log", "LOG", "--log-format", "json", "x", "y"],
    ["values", "events", "--log=LOG", "--log-format=json", "--interval", "soon", "x"],
    ["help", "--log=LOG", "--log-format=json", "frob", "-h"],
  ] as const;
  for (const [name, ...words] of lines) {
    test(words.join(" "), () => {
      const log = path.join(directory, `${name}.json`);
      const { status, out, err } = tsrunc(...words.map((word) => word.replace("LOG", log)));
      const said = fs.readFileSync(log, "utf8").trimEnd().split("\n");
      expect(said).toHaveLength(1);
      const { level, msg } = JSON.parse(said[0] ?? "");
      expect(level).toBe("error");
      expect(err).toBe(`${msg}\n`);
      expect([out, status]).toEqual(["", words.includes("exec" as never) ? 255 : 1]);
    });
  }

  test("what belongs to the command of exec is no flag of ours", () => {
    const log = path.join(directory, "none.log");
    tsrunc("exec", "--bogus=1", "x", "cat", "--log", log);
    expect(fs.existsSync(log)).toBe(false);
  });
});

test("debug lines go to the log only", () => {
  const log = path.join(directory, "debug.log");
  const { err } = tsrunc("--debug", "--log", log, "state", "x");
  expect(err).not.toContain("level=debug");
  expect(fs.readFileSync(log, "utf8")).toContain("level=debug");
});

test("list: a named root that does not exist is an error and is not made; an empty one is an empty list", () => {
  const root = path.join(directory, "none");
  expect(tsrunc("--root", root, "list").err).toContain(`root directory \`${root}\`: no such file or directory`);
  expect(fs.existsSync(root)).toBe(false);
  fs.mkdirSync(root);
  expect(tsrunc("--root", root, "list").out).toBe(
    "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
  );
  expect(tsrunc("--root", root, "list", "-f", "json").out).toBe("[]\n");
  expect(tsrunc("--root", root, "list", "-q").out).toBe("");
});
