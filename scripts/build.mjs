/**
 * Builds everything: `node scripts/build.mjs [--only step,step] [--arch ARCHITECTURE]`.
 * Plain Node ≥ 20 with nothing installed but what npm brought, and a C compiler. For another architecture than this
 * machine's, the executable and tsrunc-init are built into dist/ARCHITECTURE/.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bundleForNode, bundleForQuickjs, bundleScript } from "./bundle.mjs";
import { buildExecutable } from "./engine.mjs";
import { toolchainFor } from "./toolchain.mjs";
import { BuildError, filesIn, isStale, ROOT, run, showSize, sourceDate } from "./tools.mjs";

const CLI = join(ROOT, "src/cli/main.ts");

const STEPS = { generate, native, executable, node, library, texts };
/** Those that depend on the architecture. */
const BY_ARCHITECTURE = ["native", "executable"];

/** The scripts are in TypeScript, which Node 20 does not read, as what they import is. */
async function runScript(name, ...words) {
  const made = join(ROOT, `dist/scripts/${name}.mjs`);
  await bundleScript(made, join(ROOT, `scripts/${name}.ts`));
  await (await import(pathToFileURL(made))).generate(...words);
}

async function generate() {
  run("node", ["scripts/generate-validators.mjs"]);
  for (const name of ["generate-ops", "generate-help"]) await runScript(name, ROOT);
}

function native({ toolchain, init }) {
  const sources = filesIn("native", ".c");
  const inputs = [...sources, ...filesIn("native", ".h"), ...filesIn("src/generated", ".h")];
  if (!isStale(init, inputs)) return;
  mkdirSync(join(init, ".."), { recursive: true });
  const flags =
    "-std=c11 -D_GNU_SOURCE -Os -static -fno-pie -no-pie -Wall -Wextra -Werror -Isrc/generated -Inative".split(" ");
  const lean = "-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -Wl,--gc-sections -s".split(" ");
  run(toolchain.compiler, [...flags, ...lean, ...toolchain.flags, "-o", `${init}.new`, ...sources]);
  renameSync(`${init}.new`, init);
  console.log(`  tsrunc-init: ${showSize(init)} (${toolchain.compiler})`);
}

async function executable({ toolchain, init, out }) {
  const folder = join(ROOT, "dist/engine", toolchain.arch);
  const script = join(ROOT, "dist/engine/tsrunc.js");
  await bundleForQuickjs(script);
  const heap = await buildExecutable({ toolchain, out, init, script, folder });
  console.log(`  ${out.slice(ROOT.length + 1)}: ${showSize(out)}, of which the heap has ${showSize(heap)}`);
}

async function node() {
  const out = join(ROOT, "dist/cli.js");
  await bundleForNode(out, CLI);
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
async function texts() {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const date = sourceDate().toISOString().slice(0, 10);
  await runScript("generate-texts", join(ROOT, "dist/share"), version, date);
}

function chosen() {
  const { values } = parseArgs({ options: { only: { type: "string" }, arch: { type: "string" } } });
  const steps = values.only?.split(",") ?? Object.keys(STEPS);
  const unknown = steps.find((step) => !(step in STEPS));
  if (unknown !== undefined) {
    throw new BuildError(`unknown step \`${unknown}\`; the steps are ${Object.keys(STEPS).join(", ")}`);
  }
  const toolchain = toolchainFor(values.arch);
  const { isNative, arch } = toolchain;
  const made = (own, other) => join(ROOT, "dist", isNative ? own : join(arch, other));
  const target = { toolchain, out: made("tsrunc", "tsrunc"), init: made("native/tsrunc-init", "tsrunc-init") };
  if (isNative || values.only !== undefined) return { steps, target };
  const generated = existsSync(join(ROOT, "src/generated/ops.h"));
  return {
    steps: steps.filter((step) => BY_ARCHITECTURE.includes(step) || (step === "generate" && !generated)),
    target,
  };
}

async function build() {
  const { steps, target } = chosen();
  for (const step of steps) {
    const start = performance.now();
    await STEPS[step](target);
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
