/**
 * Cases from seeds, the same in every run; `npm run fuzz -- MINUTES` has others. The programs that they come to are read by
 * tsrunc-init's own check, and the sanitized engine reads the same texts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { encode } from "../../src/program/encode.ts";
import { compileSanitized, SANITIZER_ENV } from "./sanitized.ts";
import { TARGETS } from "./targets.ts";

const CHECKOUT = path.join(import.meta.dir, "../..");
const CASES = 1500;
const ENGINE_CASES = 40;
const directory = mkdtempSync(path.join(tmpdir(), "tsrunc-fuzz-"));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("cases", () => {
  for (const [name, target] of Object.entries(TARGETS)) {
    test(`of ${name}`, () => {
      for (let number = 1; number <= CASES; number++) {
        try {
          target.run(target.make(number));
        } catch (error) {
          throw new Error(`npm run fuzz -- --case ${name}:${number}`, { cause: error });
        }
      }
    }, 120_000);
  }
});

test("tsrunc-init takes every program that is made of them, and none that is damaged does harm", () => {
  const decoder = path.join(directory, "decoder");
  const native = path.join(CHECKOUT, "native");
  compileSanitized(decoder, [path.join(import.meta.dir, "decoder.c")], [`-I${CHECKOUT}/src/generated`, `-I${native}`]);
  const files: string[] = [];
  for (let number = 1; files.length < 150; number++) {
    for (const name of ["config", "process", "resources"]) {
      for (const program of TARGETS[name]!.run(TARGETS[name]!.make(number)).slice(0, 2)) {
        const file = path.join(directory, `program-${files.length}`);
        writeFileSync(file, encode(program, { reporter: ["/x", "__report"], context: "{}", timings: false }));
        files.push(file);
      }
    }
  }
  const done = Bun.spawnSync([decoder, "6", "7", ...files], { env: SANITIZER_ENV });
  expect([done.exitCode, `${done.stdout}${done.stderr}`]).toEqual([
    0,
    expect.stringMatching(/^\d+ tried, \d+ accepted\n$/),
  ]);
}, 120_000);

describe("the sanitized engine", () => {
  const engine = path.join(directory, "engine");
  const script = path.join(CHECKOUT, "dist/engine/tsrunc.js");
  const bundle = path.join(directory, "bundle");

  beforeAll(() => {
    const quickjs = path.join(CHECKOUT, "dist/quickjs/0.16.2");
    const folder = path.join(CHECKOUT, "native/engine");
    const parts = ["quickjs", "libregexp", "libunicode", "dtoa"].map((part) => path.join(quickjs, `${part}.c`));
    const own = ["host", "text", "names", "pack", "run", "constants"].map((part) => path.join(folder, `${part}.c`));
    const flags = "-std=gnu11 -D_GNU_SOURCE -O1 -g -funsigned-char -w -fsanitize=address".split(" ");
    const words = [...flags, '-DCONFIG_VERSION="0"', `-I${quickjs}`, `-I${folder}`, "-o", engine];
    const sources = [path.join(import.meta.dir, "engine.c"), ...own, ...parts];
    const built = Bun.spawnSync(["gcc", ...words, ...sources, "-lm", "-lpthread"], { stderr: "pipe" });
    expect([built.exitCode, built.stderr.toString()]).toEqual([0, ""]);
    mkdirSync(path.join(bundle, "rootfs"), { recursive: true });
  }, 600_000);

  test("has nothing to say against configs", () => {
    const seen = new Set<number>();
    for (let number = 1; number <= ENGINE_CASES; number++) {
      writeFileSync(path.join(bundle, "config.json"), TARGETS.config!.make(number));
      const words = ["--root", path.join(directory, "root"), "plan", "--bundle", bundle];
      const done = Bun.spawnSync([engine, script, ...words], { env: SANITIZER_ENV, stdout: "ignore" });
      expect([number, done.exitCode, done.stderr.toString()]).toEqual([
        number,
        done.exitCode === 1 ? 1 : 0,
        expect.not.stringMatching(/Sanitizer|internal error|^engine:/),
      ]);
      seen.add(done.exitCode!);
    }
    expect(seen).toEqual(new Set([0, 1]));
  }, 600_000);
});
