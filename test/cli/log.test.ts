import { expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describeError, stackLine } from "../../src/cli/errors.ts";
import { logLine, openLog } from "../../src/cli/log.ts";
import { TsruncError } from "../../src/errors.ts";

const TIME = new Date("2026-11-21T01:32:08.123Z");

test("json lines have logrus' keys in logrus' order", () => {
  expect(logLine("json", "error", 'a "b"\n', TIME)).toBe(
    '{"level":"error","msg":"a \\"b\\"\\n","time":"2026-11-21T01:32:08Z"}\n',
  );
});

test("text lines are quoted as logrus does", () => {
  const text = (message: string) => logLine("text", "warning", message, TIME);
  expect(text("two words")).toBe('time="2026-11-21T01:32:08Z" level=warning msg="two words"\n');
  expect(text("one-word/x.y")).toBe('time="2026-11-21T01:32:08Z" level=warning msg=one-word/x.y\n');
  expect(text("")).toEndWith('msg=""\n');
  expect(text('q " b \\ n \n t \t e \u001b')).toEndWith('msg="q \\" b \\\\ n \\n t \\t e \\x1b"\n');
});

test("a log file is appended to, also when named with file:, and debug lines need --debug", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-log-"));
  const file = path.join(directory, "log");
  const quiet = openLog({ path: file, format: "json", debug: false });
  quiet.debug("hidden");
  quiet.warn("first");
  openLog({ path: `file:${file}`, format: "text", debug: true }).debug("second");
  const lines = fs.readFileSync(file, "utf8").trim().split("\n");
  expect(lines).toHaveLength(2);
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: "warning", msg: "first" });
  expect(lines[1]).toEndWith("level=debug msg=second");
  fs.rmSync(directory, { recursive: true });
});

test("a log file that cannot be opened is named", () => {
  expect(() => openLog({ path: "/proc/none/log", format: "text", debug: false })).toThrow(
    "open log file `/proc/none/log`: no such file or directory (ENOENT)",
  );
});

test("whatever is thrown becomes one line", () => {
  expect(describeError(new TsruncError("io", "open `x`: EIO", { hint: "look" }))).toBe("open `x`: EIO; hint: look");
  expect(describeError(new TypeError("x is not\n a function"))).toBe("internal error: x is not; a function");
  expect(describeError("text")).toBe("internal error: text");
  let thrown: unknown;
  try {
    fs.readFileSync("/nope, really/x");
  } catch (error) {
    thrown = error;
  }
  expect(describeError(thrown)).toBe("open `/nope, really/x`: no such file or directory (ENOENT)");
  expect(stackLine(thrown)).not.toContain("\n");
});
