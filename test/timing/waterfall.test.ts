import { expect, test } from "bun:test";
import { timingRows, timingSvg, timingText } from "../../src/init/waterfall.ts";

const timing = (list: "launcher" | "init", index: number, startNs: bigint, endNs: bigint) =>
  ({ kind: "timing", list, index, step: 0, errno: 0, aux: 0, startNs, endNs, detail: "" }) as const;

const ROWS = timingRows(
  [
    { name: "start of the engine", start: 1_000_000, end: 4_000_000 },
    { name: "compile", start: 4_000_000, end: 5_000_000 },
  ],
  [timing("init", 1, 7_000_000n, 7_500_000n), timing("launcher", 0, 6_000_000n, 9_000_000n)],
  {
    launcher: [["await", null, null]],
    init: [
      ["post", null, null],
      ["mount", "mounts[0] (/<proc>)", "/mounts/0"],
    ],
  },
);

test("phases and ops lie on one axis that begins with the process, in microseconds", () => {
  expect(ROWS.map(({ lane, start, duration }) => [lane, start, duration])).toEqual([
    ["tsrunc", 0, 3000],
    ["tsrunc", 3000, 1000],
    ["tsrunc", 4000, 1000],
    ["launcher", 5000, 3000],
    ["init", 6000, 500],
  ]);
});

test("the gap between the last phase and the first op is the exec", () => {
  expect(ROWS[2]?.name).toBe("exec of tsrunc-init");
});

test("the text has a line for each row, and dots where one side waits for the other", () => {
  const lines = timingText(ROWS).trimEnd().split("\n");
  expect(lines).toHaveLength(6);
  expect(lines[4]).toMatch(/5000\s+3000\s+launcher\s+·+\s+await$/);
  expect(lines[5]).toMatch(/█+\s+mount mounts\[0\] \(\/<proc>\)$/);
});

test("the chart is one well-formed SVG with names escaped", () => {
  const svg = timingSvg(ROWS, "tsrunc run <x>");
  expect(svg).toStartWith("<svg ");
  expect(svg).toContain("mounts[0] (/&lt;proc&gt;)");
  expect(svg).not.toContain("<x>");
  expect(svg.match(/<rect /g)).toHaveLength(ROWS.length + 1);
});
