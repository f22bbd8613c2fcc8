/** The README shows the files that the engine tests configure the engines with. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const README = readFileSync(path.resolve(import.meta.dirname, "../../README.md"), "utf8");
const CONFIG = path.join(import.meta.dirname, "config");

for (const name of readdirSync(CONFIG)) {
  test(`the README shows ${name} word for word`, () => {
    expect(README).toContain(readFileSync(path.join(CONFIG, name), "utf8"));
  });
}
