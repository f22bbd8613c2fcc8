/** Making executables of the engine with other scripts than the command line. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");
const INIT = join(ROOT, "dist/native/tsrunc-init");

/** Runs a script that has the functions of the build; its output. */
export function inNode(script: string): string {
  const imports = [
    `import { bundleForQuickjs } from "${ROOT}/scripts/bundle.mjs";`,
    `import { buildExecutable } from "${ROOT}/scripts/engine.mjs";`,
    `import { toolchainFor } from "${ROOT}/scripts/toolchain.mjs";`,
  ].join("");
  const result = spawnSync("node", ["--input-type=module", "-e", imports + script], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout;
}

/** Runs bun from npm. */
export function bun(...words: readonly string[]): void {
  execFileSync(join(ROOT, "node_modules/.bin/bun"), words, { stdio: ["ignore", "ignore", "inherit"] });
}

/**
 * An executable `name` in `folder` that runs the global function `start` of `entry`, a script in TypeScript, with `init`
 * for tsrunc-init. Its heap is beside it, with `.heap` behind the name.
 */
export function makeProgram(folder: string, name: string, entry: string, init = INIT): string {
  const out = join(folder, name);
  const parts = { out, init, script: `${out}.js`, folder };
  inNode(`await bundleForQuickjs("${out}.js", "${entry}");
    await buildExecutable({ toolchain: toolchainFor(), ...${JSON.stringify(parts)} });`);
  return out;
}
