import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProgram, ROOT } from "./make.ts";

const FIXTURES = join(import.meta.dir, "fixtures");

function lines(command: string, ...args: readonly string[]): string[] {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 }).split("\n");
}

test("what the engine packs in C is byte for byte what TypeScript writes", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsrunc-encode-"));
  try {
    const packed = lines(makeProgram(folder, "encode", join(FIXTURES, "encode.ts")));
    const script = join(folder, "written.ts");
    writeFileSync(script, `import { writePrograms } from "${FIXTURES}/programs.ts"; writePrograms();`);
    const written = lines(join(ROOT, "node_modules/.bin/bun"), script);
    expect(written.length).toBeGreaterThan(15);
    // Shorter to read than two lines of a hundred thousand digits.
    expect(packed.map((line, i) => line === written[i])).toEqual(written.map(() => true));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
