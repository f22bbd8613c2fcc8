/** The engine's allocator against a model of it, under the address and undefined-behaviour sanitizers. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
// @ts-expect-error: a script without types
import * as quickjs from "../../scripts/quickjs.mjs";
import { compileSanitized } from "./sanitized.ts";

const directory = mkdtempSync(path.join(tmpdir(), "tsrunc-heap-"));
const CHECKOUT = path.join(import.meta.dir, "../..");
const ROUNDS = 8000;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("blocks of all sizes keep what is written to them, wherever they lie", () => {
  const program = path.join(directory, "heap");
  const headers = [`-isystem${quickjs.SOURCE}`, `-I${CHECKOUT}/native/engine`];
  compileSanitized(program, [path.join(import.meta.dir, "heap.c")], ["-Wall", "-Wextra", "-Werror", ...headers]);
  for (const seed of [1, 2, 3, 4]) {
    const { exitCode, stdout, stderr } = Bun.spawnSync([program, `${seed}`, `${ROUNDS}`]);
    expect([seed, exitCode, `${stdout}${stderr}`]).toEqual([seed, 0, "done\n"]);
  }
}, 120_000);
