/**
 * Writes src/generated/ops.h, which native/ is compiled against, and src/generated/ops-hash.ts.
 * Run with Bun: Node 20 does not read TypeScript.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { opsHash } from "../src/program/hash.ts";
import { OPS } from "../src/program/ops.ts";
import { opsHeader } from "./ops-header.ts";

/** Leaves the file's time alone when nothing changed, so that what depends on it is not rebuilt. */
function writeChanged(path: string, text: string): void {
  try {
    if (readFileSync(path, "utf8") === text) return;
  } catch {
    // not there yet
  }
  writeFileSync(path, text);
}

const out = fileURLToPath(new URL("../src/generated/", import.meta.url));
mkdirSync(out, { recursive: true });
const hash = opsHash();
writeChanged(`${out}ops.h`, opsHeader(OPS, hash));
writeChanged(
  `${out}ops-hash.ts`,
  `/** Made by scripts/generate-ops.ts: {@link opsHash} of the op table. */\nexport const OPS_HASH = 0x${hash.toString(16)};\n`,
);
