/**
 * Writes src/generated/ops.h, which native/ is compiled against, and src/generated/ops-hash.ts. The build bundles and
 * calls it, for Node 20 does not read TypeScript.
 */
import { join } from "node:path";
import { opsHash } from "../src/program/hash.ts";
import { OPS } from "../src/program/ops.ts";
import { opsHeader } from "./ops-header.ts";
import { writeChanged } from "./texts/write.ts";

export function generate(root: string): void {
  const out = join(root, "src/generated");
  const hash = opsHash();
  writeChanged(join(out, "ops.h"), opsHeader(OPS, hash));
  writeChanged(
    join(out, "ops-hash.ts"),
    `/** Made by scripts/generate-ops.ts: {@link opsHash} of the op table. */\nexport const OPS_HASH = 0x${hash.toString(16)};\n`,
  );
}
