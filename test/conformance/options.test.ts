import { expect, test } from "bun:test";
import { parseRequest, UsageError } from "../../conformance/runner/options.ts";

test("a run takes every option", () => {
  const request = parseRequest([
    ...["--runtime", "crun --debug", "--filter", "^kill/", "--level", "must", "--spec", "1.1", "--format", "tap"],
    ...["-o", "out.tap", "-j", "3", "--known-gaps"],
  ]);
  expect(request).toMatchObject({
    kind: "run",
    options: {
      runtime: "crun --debug",
      level: "must",
      spec: "1.1",
      format: "tap",
      output: "out.tap",
      jobs: 3,
      knownGaps: true,
    },
  });
});

test("--keep runs one case at a time", () => {
  expect(parseRequest(["-r", "runc", "-j", "4", "--keep", "kill/x"])).toMatchObject({
    options: { jobs: 1, keep: "kill/x" },
  });
});

test("results of earlier runs are shown", () => {
  const request = parseRequest(["--format", "html", "a.json", "b.json"]);
  expect(request).toEqual({
    kind: "show",
    options: { files: ["a.json", "b.json"], format: "html", output: undefined },
  });
});

for (const [args, message] of [
  [["--runtime", " "], "`--runtime COMMAND` is missing"],
  [["-r", "runc", "--level", "most"], "`--level most`: must be one of must, should, all"],
  [["-r", "runc", "--format", "xml"], "`--format xml`: must be one of"],
  [["-r", "runc", "--spec", "2.0"], "`--spec 2.0`: must be one of 1.0, 1.1, 1.2, 1.3"],
  [["-r", "runc", "--jobs", "0"], "`--jobs 0`: must be from 1 to 64"],
  [["-r", "runc", "--jobs", "two"], "`--jobs two`: must be from 1 to 64"],
  [["-r", "runc", "--filter", "("], "`--filter (`: "],
  [["-r", "runc", "--banana"], "--banana"],
  [["-r", "runc", "a.json"], "results of earlier runs go without `--runtime`"],
] as const)
  test(`refused: ${args.join(" ")}`, () => {
    const before = process.env.RUNTIME;
    delete process.env.RUNTIME;
    try {
      expect(() => parseRequest(args)).toThrow(UsageError);
      expect(() => parseRequest(args)).toThrow(message);
    } finally {
      if (before !== undefined) process.env.RUNTIME = before;
    }
  });
