/**
 * Builds everything: `node scripts/build.mjs [--only step,step]`.
 * Plain Node ≥ 20 with nothing installed but what npm brought.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { buildEngine } from "./engine.mjs";
import { compileExecutable } from "./executable.mjs";
import {
  BuildError,
  filesIn,
  findBun,
  findStaticCompiler,
  isStale,
  kernelHeaderFlags,
  ROOT,
  run,
  showSize,
  sourceDate,
  versionDefines,
} from "./tools.mjs";

const CLI = "src/cli/main.ts";
const LIBRARY = "src/index.ts";
const INIT = "dist/native/tsrunc-init";

const ENGINE = join(ROOT, "dist/native/engine");
const HEAP = join(ROOT, "dist/native/engine.heap");

const STEPS = { generate, native, engine, executable, node, library, texts };

function generate() {
  run("node", ["scripts/generate-validators.mjs"]);
  run(findBun(), ["scripts/generate-ops.ts"]);
  run(findBun(), ["scripts/generate-help.ts"]);
}

function native() {
  const sources = filesIn("native", ".c");
  const inputs = [...sources, ...filesIn("native", ".h"), ...filesIn("src/generated", ".h")];
  if (!isStale(join(ROOT, INIT), inputs)) return;
  mkdirSync(join(ROOT, "dist/native"), { recursive: true });
  const compiler = findStaticCompiler();
  const flags =
    "-std=c11 -D_GNU_SOURCE -Os -static -fno-pie -no-pie -Wall -Wextra -Werror -Isrc/generated -Inative".split(" ");
  const lean = "-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -Wl,--gc-sections -s".split(" ");
  const made = `${INIT}.new`;
  run(compiler, [...flags, ...lean, ...kernelHeaderFlags(compiler), "-o", made, ...sources]);
  renameSync(join(ROOT, made), join(ROOT, INIT));
  console.log(`  ${INIT}: ${showSize(join(ROOT, INIT))} (${compiler})`);
}

async function engine() {
  await buildEngine({ out: ENGINE, heap: HEAP, init: join(ROOT, INIT) });
  console.log(`  dist/native/engine: ${showSize(ENGINE)}, its heap: ${showSize(HEAP)}`);
}

function executable() {
  const out = join(ROOT, "dist/tsrunc");
  compileExecutable({ entry: join(ROOT, CLI), out, engine: ENGINE, heap: HEAP });
  console.log(`  dist/tsrunc: ${showSize(out)}`);
}

/** The command line for Node, in one file: resolving a hundred modules would double Node's start. */
function node() {
  const out = join(ROOT, "dist/cli.js");
  run(findBun(), [
    ...["build", "--target", "node", "--format", "esm", "--minify-syntax", "--minify-whitespace", "--keep-names"],
    ...versionDefines(),
    ...["--external", "koffi", "--external", "bun:ffi", "--outfile", out, join(ROOT, CLI)],
  ]);
  chmodSync(out, 0o755);
}

function library() {
  rmSync(join(ROOT, "dist/lib"), { recursive: true, force: true });
  run("node", ["node_modules/typescript/bin/tsc", "-p", "scripts/tsconfig.lib.json"]);
  mkdirSync(join(ROOT, "dist/lib/generated"), { recursive: true });
  for (const file of filesIn("src/generated", ".js", ".d.ts")) {
    copyFileSync(file, join(ROOT, "dist/lib/generated", basename(file)));
  }
}

/** What is installed beside the executable. */
function texts() {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const date = sourceDate().toISOString().slice(0, 10);
  run(findBun(), ["scripts/generate-texts.ts", join(ROOT, "dist/share"), version, date]);
}

/** While a part of the project is not there, the rest can be built: an explicit `--only` insists. */
function missing(step) {
  const needs = { executable: CLI, node: CLI, library: LIBRARY, native: "native/main.c", engine: CLI }[step];
  return needs !== undefined && !existsSync(join(ROOT, needs)) ? needs : undefined;
}

function chosenSteps() {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  if (values.only === undefined) return Object.keys(STEPS).filter((step) => missing(step) === undefined);
  const chosen = values.only.split(",");
  const unknown = chosen.find((step) => !(step in STEPS));
  if (unknown !== undefined) {
    throw new BuildError(`unknown step \`${unknown}\`; the steps are ${Object.keys(STEPS).join(", ")}`);
  }
  return chosen;
}

async function build() {
  for (const step of chosenSteps()) {
    const start = performance.now();
    await STEPS[step]();
    console.log(`${step}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

try {
  await build();
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
