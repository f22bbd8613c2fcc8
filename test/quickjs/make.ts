/** Making executables of the engine with other scripts than the command line. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");

/** Runs a script that has the functions of the build; its output. */
export function inNode(script: string): string {
  const imports = ["executable", "engine", "inject-engine"]
    .map((name) => `import * as ${name.replace("-", "")} from "${ROOT}/scripts/${name}.mjs";`)
    .join("");
  const names = "const { compileExecutable } = executable, { buildEngine } = engine, { injectEngine } = injectengine;";
  const result = spawnSync("node", ["--input-type=module", "-e", imports + names + script], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout;
}

/** Runs bun from npm. */
export function bun(...words: readonly string[]): void {
  execFileSync(join(ROOT, "node_modules/.bin/bun"), words, { stdio: ["ignore", "ignore", "inherit"] });
}

/** An executable `name` in `folder` that runs the global function `start` of `entry`, a script in TypeScript. */
export function makeProgram(folder: string, name: string, entry: string): string {
  const [script, inBun, out, engine] = ["js", "bun.ts", "program", "engine"].map((end) => `${name}.${end}`);
  const at = (file: string | undefined) => join(folder, file ?? "");
  bun(join(ROOT, "scripts/bundle-engine.ts"), at(script), entry);
  writeFileSync(at(inBun), 'console.log("Bun");');
  const init = join(ROOT, "dist/native/tsrunc-init");
  const parts = { out: at(engine), heap: at(`${engine}.heap`), init, script: at(script) };
  const compiled = { entry: at(inBun), out: at(out), engine: at(engine), heap: parts.heap };
  inNode(`await buildEngine(${JSON.stringify(parts)}); compileExecutable(${JSON.stringify(compiled)});`);
  return at(out);
}
