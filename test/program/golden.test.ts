/** Whole programs as people read them. `UPDATE_GOLDEN=1` writes the files anew: then read the difference. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { programText } from "../../src/program/print.ts";
import { programs } from "./programs.ts";

const GOLDEN = path.join(import.meta.dir, "golden");
const compiled = programs();

test.each([...compiled.keys()])("%s", (name) => {
  const program = compiled.get(name);
  if (program === undefined) throw new Error(name);
  const file = path.join(GOLDEN, `${name}.txt`);
  const text = programText(program);
  if (process.env.UPDATE_GOLDEN === "1") {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
});

test("every golden file has its program", () => {
  expect(readdirSync(GOLDEN).sort()).toEqual([...compiled.keys()].map((name) => `${name}.txt`).sort());
});
