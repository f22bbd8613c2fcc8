/** README's table of verbs and flags. `UPDATE_README=1` writes it anew. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withVerbTable } from "../../scripts/texts/readme.ts";

const README = path.resolve(import.meta.dir, "../../README.md");

test("README's table of verbs and flags is that of the command line", () => {
  const page = readFileSync(README, "utf8");
  const wanted = withVerbTable(page);
  if (process.env.UPDATE_README === "1") writeFileSync(README, wanted);
  else expect(page).toBe(wanted);
});

test("a page without a place for it is an error", () => {
  expect(() => withVerbTable("# x\n")).toThrow("no place");
});
