/** Every verb of the executable says in the log why it fails: engines look nowhere else. Needs `npm run build`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type VerbName, verbNames, verbSpec } from "../../src/cli/table.ts";

const EXECUTABLE = path.resolve(import.meta.dir, "../../dist/tsrunc");
let directory = "";
let count = 0;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "tsrunc-logged-"));
  mkdirSync(path.join(directory, "root"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const LINES = {
  json: (text: string) => {
    const { level, msg, time } = JSON.parse(text);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    return { level, msg };
  },
  text: (text: string) => {
    const [, level, msg = ""] = /^time="[^"]+" level=(\w+) msg=(.*)\n$/.exec(text) ?? [];
    return { level, msg: msg.startsWith('"') ? JSON.parse(msg) : msg };
  },
} as const;

/** The message is the last line of the log and the only one on stderr, where it is bare. @returns it */
function failure(format: keyof typeof LINES, verb: VerbName, ...words: readonly string[]): string {
  const log = path.join(directory, `log-${++count}`);
  const globals = ["--root", path.join(directory, "root"), "--log", log, "--log-format", format];
  const done = spawnSync(EXECUTABLE, [...globals, verb, ...words], { encoding: "utf8", cwd: directory });
  expect([done.stdout, done.status]).toEqual(["", verb === "exec" ? 255 : 1]);
  const { level, msg } = LINES[format](readFileSync(log, "utf8"));
  expect(level).toBe("error");
  expect(done.stderr).toBe(`${msg}\n`);
  return msg;
}

const NO_CONTAINER: readonly VerbName[] = [
  ...(["state", "start", "kill", "delete", "exec", "ps", "events", "update", "pause", "resume"] as const),
];

describe.each(["json", "text"] as const)("as %s", (format) => {
  test.each(verbNames())("a mistake in the command line of %s", (verb) => {
    expect(failure(format, verb, "--bogus", "x")).toContain(`unknown flag \`--bogus\` of \`${verb}\``);
    const { min, usage } = verbSpec(verb);
    if (min > 0) expect(failure(format, verb)).toContain(`missing argument ${usage.split(" ")[0]}`);
  });

  test.each(NO_CONTAINER)("%s of a container that is not there", (verb) => {
    const words = { exec: ["x", "true"], update: ["--pids-limit", "5", "x"] }[verb as string] ?? ["x"];
    expect(failure(format, verb, ...words)).toBe("container does not exist: `x`");
  });

  test.each(["create", "run", "plan"] as const)("%s of a bundle that is not there", (verb) => {
    expect(failure(format, verb, "--bundle", "/nonexistent", "x")).toContain("open `/nonexistent/config.json`");
  });

  test.each(["checkpoint", "restore"] as const)("%s, which is not there yet", (verb) => {
    expect(failure(format, verb, "x")).toContain(`\`${verb}\` is not supported`);
  });

  test("values that are none", () => {
    expect(failure(format, "events", "--interval", "soon", "x")).toContain("flag `--interval`");
    expect(failure(format, "ps", "--format", "yaml", "x")).toContain("flag `--format`");
    expect(failure(format, "update", "--memory", "much", "x")).toContain("x");
    expect(failure(format, "seccomp", "stats", "/nonexistent")).toContain("/nonexistent");
    expect(failure(format, "spec", "--memory", "much")).toContain("memory");
  });
});
