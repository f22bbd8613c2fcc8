/**
 * Writes src/generated/ops.h, which native/ is compiled against, and src/generated/ops-hash.ts.
 * Run with Bun: Node 20 does not read TypeScript.
 */
import { fileURLToPath } from "node:url";
import { opsHash } from "../src/program/hash.ts";
import { OPS } from "../src/program/ops.ts";
import { opsHeader } from "./ops-header.ts";
import { writeChanged } from "./texts/write.ts";

const out = fileURLToPath(new URL("../src/generated/", import.meta.url));
const hash = opsHash();
writeChanged(`${out}ops.h`, opsHeader(OPS, hash));
writeChanged(
  `${out}ops-hash.ts`,
  `/** Made by scripts/generate-ops.ts: {@link opsHash} of the op table. */\nexport const OPS_HASH = 0x${hash.toString(16)};\n`,
);
