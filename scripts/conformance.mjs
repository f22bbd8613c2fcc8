/** Builds the conformance suite as a package of its own, in dist/conformance: `node scripts/conformance.mjs`. */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toolchainFor } from "./toolchain.mjs";
import { BuildError, ROOT, run } from "./tools.mjs";

const SOURCE = join(ROOT, "conformance");
const OUT = join(ROOT, "dist/conformance");
/** Programs that run inside of containers, and the files they are made of. */
const PROGRAMS = {
  probe: ["probe", "json", "report", "operations"],
  recvtty: ["recvtty"],
  agent: ["agent"],
  watchmounts: ["watchmounts"],
};

function compilePrograms({ compiler, flags }, architecture) {
  const folder = join(OUT, "probe/built", architecture);
  mkdirSync(folder, { recursive: true });
  for (const [name, parts] of Object.entries(PROGRAMS)) {
    const sources = parts.map((part) => join(SOURCE, "probe", `${part}.c`));
    run(compiler, ["-std=gnu11", "-O2", "-static", "-s", ...flags, "-o", join(folder, name), ...sources]);
  }
}

function manifest() {
  const own = JSON.parse(readFileSync(join(SOURCE, "package.json"), "utf8"));
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return { ...own, version };
}

function build() {
  rmSync(OUT, { recursive: true, force: true });
  run("node", ["node_modules/typescript/bin/tsc", "-p", "scripts/tsconfig.conformance.json"]);
  cpSync(join(SOURCE, "runner/page"), join(OUT, "runner/page"), { recursive: true });
  for (const file of ["clauses.json", "README.md"]) cpSync(join(SOURCE, file), join(OUT, file));
  cpSync(join(ROOT, "LICENSE"), join(OUT, "LICENSE"));
  writeFileSync(join(OUT, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
  chmodSync(join(OUT, "runner/main.js"), 0o755);
  compilePrograms(toolchainFor(), process.arch);
}

try {
  build();
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`conformance: ${error.message}`);
  process.exitCode = 1;
}
