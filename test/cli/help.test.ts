import { expect, test } from "bun:test";
import { helpText } from "../../src/cli/help.ts";
import { flagsOf, globalSpec, verbNames, verbSpec } from "../../src/cli/table.ts";

test("help of every verb starts as runc's does, and names each of its flags with its placeholder", () => {
  for (const verb of verbNames()) {
    const text = helpText("runc", verb);
    const spec = verbSpec(verb);
    const [first, second] = text.split("\n");
    expect(first).toBe("NAME:");
    expect(second).toBe(`   runc ${verb} - ${spec.summary}`);
    expect(text).toContain(`\nUSAGE:\n   runc ${verb}`);
    for (const { name, short, value } of flagsOf(spec)) {
      const shown = `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
      expect(text.split("\n").some((line) => line.trimStart().startsWith(shown))).toBe(true);
    }
  }
});

test("help of the program lists the verbs, the flags before them and the version, under the name it was started by", () => {
  const text = helpText("runc", undefined);
  expect(text.split("\n").slice(0, 2)).toEqual(["NAME:", "   runc - Open Container Initiative runtime"]);
  expect(text).toContain("\nVERSION:\n   runc version ");
  for (const verb of verbNames())
    expect(text).toMatch(new RegExp(`^ {2}${verb} +${verbSpec(verb).summary.slice(0, 10)}`, "m"));
  for (const { name } of flagsOf(globalSpec())) expect(text).toContain(`--${name}`);
  expect(text.replaceAll("/tsrunc", "")).not.toContain("tsrunc");
  expect(helpText("$&", "state")).toContain("$& state ID");
});

test("no line of help is wider than a hundred columns", () => {
  for (const verb of [undefined, ...verbNames()]) {
    for (const line of helpText("tsrunc", verb).split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  }
});
