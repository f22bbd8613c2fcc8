/** The library's example in README.md does what it says, under both hosts. Needs root and `npm run build`. */
import { afterAll, beforeAll, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectExample, makeBox } from "./lib/example.ts";
import { HOSTS } from "./lib/hosts.ts";

let directory = "";

/** A project that has tsrunc installed. */
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tsrunc-readme-"));
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(join(import.meta.dir, "../.."), join(directory, "node_modules/tsrunc"));
  makeBox(directory);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

for (const [name, host] of HOSTS)
  test(`the example of README.md under ${name}`, () => expectExample(directory, host), 40_000);
