/** tsrunc-init's check of programs against damaged ones, under the address and undefined-behaviour sanitizers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { encode } from "../../src/program/encode.ts";
import type { Op } from "../../src/program/ops.ts";
import type { Program } from "../../src/program/program.ts";
import { programs } from "../program/programs.ts";
import { compileSanitized, SANITIZER_ENV } from "./sanitized.ts";

const SECONDS = 8;
const SEED = 20_261_121;
const CHECKOUT = path.join(import.meta.dir, "../..");
let directory: string;
let decoder: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "tsrunc-fuzz-"));
  decoder = path.join(directory, "decoder");
  const native = path.join(CHECKOUT, "native");
  const includes = [`-I${CHECKOUT}/src/generated`, `-I${native}`];
  compileSanitized(decoder, [path.join(import.meta.dir, "decoder.c")], includes);
}, 120_000);

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function save(name: string, program: Program): string {
  const file = path.join(directory, name);
  writeFileSync(file, encode(program, { reporter: ["/x", "__report"], context: "{}", timings: false }));
  return file;
}

function fuzz(seconds: number, files: readonly string[]): { readonly status: number; readonly out: string } {
  const done = Bun.spawnSync([decoder, `${seconds}`, `${SEED}`, ...files], { env: SANITIZER_ENV });
  return { status: done.exitCode, out: `${done.stdout}${done.stderr}` };
}

test("thousands of damaged programs are refused, or can be read to their ends", () => {
  const files = [...programs()].map(([name, program]) => save(name, program));
  const { status, out } = fuzz(SECONDS, files);
  expect([status, out]).toEqual([0, expect.stringMatching(/^\d+ tried, \d+ accepted\n$/)]);
  const [tried = 0, accepted = 0] = out.match(/\d+/g)?.map(Number) ?? [];
  expect(tried).toBeGreaterThan(5000);
  // Both ways are taken: damage to texts is no damage to a program.
  expect(accepted).toBeGreaterThan(100);
  expect(accepted).toBeLessThan(tried);
}, 120_000);

test("ops of the other side are refused", () => {
  const misplaced: Op = { op: "prepareExec", argv: ["/bin/true"], env: [] };
  const file = save("misplaced", { launcher: [misplaced], init: [], cleanup: [], cleanupFrom: 0, keepFds: 0 });
  expect(fuzz(1, [file])).toMatchObject({ status: 1, out: expect.stringContaining("is refused") });
}, 60_000);
