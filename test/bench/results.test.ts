/** From samples to what people see. */
import { expect, test } from "bun:test";
import { chart } from "../../bench/chart.ts";
import { replaceBetween } from "../../bench/publish.ts";
import { comparisons, highlights, type Results, resultsText, summarise } from "../../bench/results.ts";
import { readmeTable, terminalTable } from "../../bench/table.ts";

const RESULTS: Results = {
  date: "2026-11-21T12:00:00.000Z",
  seconds: 61,
  environment: {
    kernel: "6.18.0",
    distribution: "Debian",
    cpu: "CPU <1>",
    cores: 2,
    cgroups: "v1",
    load: 0.1,
    node: "v20",
    bun: "1.4",
  },
  runtimes: { tsrunc: "tsrunc version 1", runc: "runc version 2", crun: "crun version 3" },
  times: [
    {
      metric: "run",
      samples: {
        tsrunc: [5000, 50_000, 5000],
        runc: [10_000, 100_000, 20_000],
        crun: [4000, 40_000, 5000],
        floor: [2000, 2000, 2000],
      },
    },
    { metric: "library", samples: { runc: [10_000], crun: [5000], "Bun, <one> call": [2500] } },
  ],
  figures: [
    { metric: "smallest memory limit", unit: "KiB", values: { tsrunc: 144, runc: 14_400, crun: 288 } },
    { metric: "resident, created (Rss)", unit: "KiB", values: { tsrunc: 1 } },
    { metric: "peak memory, run", unit: "KiB", values: { tsrunc: 1 } },
    { metric: "peak memory, run, seccomp", unit: "KiB", values: { tsrunc: 1 } },
    { metric: "system calls of run", unit: "calls", values: { tsrunc: 0, runc: 3000 } },
  ],
  failures: ["verbs, crun: no"],
};

test("a summary has the ratios of rounds and those of medians", () => {
  const summary = summarise(RESULTS.times[0]!, "tsrunc", ["runc", "crun", "youki"]);
  expect(summary).toEqual({
    median: 5000,
    p95: expect.closeTo(45_500),
    ratios: { runc: 0.5, crun: 1.25 },
    ratiosOfMedians: { runc: 0.25, crun: 1 },
  });
});

test("what is neither tsrunc nor compared with is a subject of its own", () => {
  const [run, library, limit] = comparisons(RESULTS);
  expect(run?.values).toEqual({ tsrunc: 5000, runc: 20_000, crun: 5000, floor: 2000 });
  expect(library).toEqual({
    title: "library, Bun, <one> call",
    unit: "µs",
    values: { tsrunc: 2500, runc: 10_000, crun: 5000 },
    ratios: { runc: 0.25, crun: 0.5 },
  });
  expect(limit?.ratios).toEqual({ runc: 0.01, crun: 0.5 });
});

test("details of memory are not among the highlights", () => {
  const titles = highlights(RESULTS).map(({ title }) => title);
  expect(titles).toEqual([
    "run",
    "library, Bun, <one> call",
    "smallest memory limit",
    "peak memory, run",
    "system calls of run",
  ]);
});

test("the file can be read again, with a line for each list of samples", () => {
  const text = resultsText(RESULTS);
  expect(JSON.parse(text)).toMatchObject(RESULTS);
  expect(text).toContain('"tsrunc": [5000,50000,5000]');
  expect(JSON.parse(text).summaries.run.tsrunc.ratios.runc).toBe(0.5);
});

test("the terminal gets medians, p95, both ratios and what failed", () => {
  const lines = terminalTable(RESULTS).split("\n");
  expect(lines.find((line) => line.startsWith("  tsrunc"))?.split(/\s+/)).toEqual([
    "",
    "tsrunc",
    "5.00",
    "45.5",
    "0.50",
    "1.25",
  ]);
  expect(lines.find((line) => line.startsWith("  crun"))?.split(/\s+/)).toEqual(["", "crun", "5.00", "36.5", "0.40"]);
  expect(lines.find((line) => line.startsWith("smallest"))).toMatch(/144 KiB +14\.1 MiB +288 KiB$/);
  expect(lines).toContain("not measured: verbs, crun: no");
  expect(lines).toContain("run (3 rounds)");
});

test("the README gets a table of tsrunc beside the others", () => {
  const rows = readmeTable(RESULTS)
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  expect(rows[0]).toEqual(["", "tsrunc", "runc", "crun", "/ runc", "/ crun"]);
  expect(rows[2]).toEqual(["run", "5.00 ms", "20.0 ms", "5.00 ms", "0.50", "1.25"]);
  expect(rows.at(-1)).toEqual(["system calls of run", "0", "3000", "", "0.00", ""]);
});

test("only what is between the marks is replaced", () => {
  const marked = "a\n<!-- npm run bench -- --publish -->\nold\n<!-- end -->\nb\n";
  const once = replaceBetween(marked, "new");
  expect(once).toBe("a\n<!-- npm run bench -- --publish -->\n\nnew\n\n<!-- end -->\nb\n");
  expect(replaceBetween(once, "new")).toBe(once);
  expect(() => replaceBetween("a", "new")).toThrow("README.md has no");
});

test("the chart has a bar for each value, as long as the value on its scale, and refers to nothing outside", () => {
  const svg = chart(RESULTS);
  expect(svg).toContain("library, Bun, &lt;one&gt; call");
  expect(svg).toContain("prefers-color-scheme:dark");
  expect(svg).not.toMatch(/<script|href|url\(|@import/);
  const widths = [...svg.matchAll(/class="(\w)" x="210" y="\d+" width="([\d.]+)" height="10"/g)].map(
    ([, kind, width]) => [kind, Number(width)],
  );
  // run: runc's 20 ms are the longest of all times.
  const most = widths[1]?.[1] as number;
  expect(widths.slice(0, 4)).toEqual([
    ["a", most / 4],
    ["b", most],
    ["c", most / 4],
    ["d", most / 10],
  ]);
  // A quantity of its own scale: 144 and 14,400 KiB.
  expect(widths.slice(7, 9)).toEqual([
    ["a", expect.closeTo(most / 100, 0)],
    ["b", most],
  ]);
  // One for each value, and the keys of four names.
  expect(svg.match(/<rect /g)).toHaveLength(4 + 3 + 3 + 1 + 2 + 4);
});
