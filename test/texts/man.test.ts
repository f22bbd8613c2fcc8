/** The manual pages, as mandoc and man read them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { manualPages } from "../../scripts/texts/man.ts";
import { flagsOf, globalSpec, type VerbSpec, verbNames, verbSpec } from "../../src/cli/table.ts";

const PAGES = manualPages({ version: "1.2.3", date: "2026-11-28" });
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "man-"));
  for (const [name, text] of Object.entries(PAGES)) writeFileSync(path.join(directory, name), text);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A page as people read it, in lines as long as they come. */
function read(name: string): string {
  const env = { ...process.env, MANWIDTH: "500", LC_ALL: "C.UTF-8", MAN_KEEP_FORMATTING: "" };
  const { stdout, stderr } = spawnSync("man", ["--local-file", path.join(directory, name)], { encoding: "utf8", env });
  expect(stderr).toBe("");
  return stdout;
}

test("there is a page of the program and one of each verb, and mandoc has nothing to say of them", () => {
  expect(Object.keys(PAGES)).toEqual(["tsrunc.8", ...verbNames().map((name) => `tsrunc-${name}.8`)]);
  for (const name of Object.keys(PAGES)) {
    const lint = spawnSync("mandoc", ["-T", "lint", "-W", "style", path.join(directory, name)], { encoding: "utf8" });
    // A page that is not installed is not found.
    expect(
      lint.stdout.split("\n").filter((line) => line !== "" && !line.includes("referenced manual not found")),
    ).toEqual([]);
    expect(lint.stderr).toBe("");
  }
});

function expectFlags(text: string, spec: VerbSpec): void {
  const lines = text.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
  for (const { name, short, value = "", kind, text: says } of flagsOf(spec)) {
    const shown =
      `${short === undefined ? "" : `-${short}, `}--${name} ${value}${kind === "list" ? "..." : ""}`.trimEnd();
    // The text of a short flag stands beside it.
    const found = lines.some((line, at) => line === `${shown} ${says}` || (line === shown && lines[at + 1] === says));
    expect({ shown, says, found }).toEqual({ shown, says, found: true });
  }
}

test.each(verbNames())("tsrunc-%s(8) has the summary, the usage and every flag with its text", (verb) => {
  const text = read(`tsrunc-${verb}.8`);
  const spec = verbSpec(verb);
  expect(text).toStartWith(`TSRUNC-${verb.toUpperCase()}(8)`);
  expect(text.replaceAll(/ +/g, " ")).toContain(`\n tsrunc-${verb} - ${spec.summary}\n`);
  const options = flagsOf(spec).length === 0 ? "" : " [OPTIONS]";
  expect(text.replaceAll(/ +/g, " ")).toContain(
    `\n tsrunc ${verb}${options} ${spec.usage.replaceAll("…", "...")}`.trimEnd(),
  );
  expectFlags(text, spec);
});

test("tsrunc(8) has every verb, the flags before them, and where to read on", () => {
  const text = read("tsrunc.8");
  expectFlags(text, globalSpec());
  for (const verb of verbNames()) {
    expect(text).toContain(`       ${verb}`);
    expect(text).toContain(verbSpec(verb).summary);
    expect(text).toContain(`tsrunc-${verb}(8)`);
  }
  expect(text).toContain("tsrunc 1.2.3");
  expect(text).toContain("2026-11-28");
});
