/** Makes the standalone executable: Bun's compile, then our own engine in front of it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { injectEngine } from "./inject-engine.mjs";
import { BuildError, findBun, versionDefines } from "./tools.mjs";

/**
 * A Bun executable would otherwise read these from the current directory, which for a runtime is a bundle
 * that somebody else wrote: `preload` of a bunfig.toml runs code.
 */
const NO_AUTOLOAD = ["dotenv", "bunfig", "tsconfig", "package-json"].map((file) => `--no-compile-autoload-${file}`);

/**
 * Each verb in a chunk of its own, so that a process loads the bytecode of one: 1.1 ms less than one CommonJS file,
 * 4 ms less than one module, in which the imports of what is never called run first (measured).
 */
const CHUNKS = ["--format=esm", "--splitting"];

/** Compiling to machine code costs more than it saves in a process of milliseconds: 2 of 14 ms of `plan` (measured). */
const LATE_JIT = "--compile-jit-policy=100";

/** Bun ends with status 0 when it cannot make bytecode, and the executable then fails or starts 9 ms later. */
function runBun(args) {
  const result = spawnSync(findBun(), args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (result.status === 0 && !/error/i.test(result.stderr)) return;
  throw new BuildError(`bun build: ${result.stderr.trim() || `status ${result.status}`}`);
}

/**
 * Compiles `entry` to `out`. With `engine` and `heap` (paths), both are put into the executable, which then starts there.
 */
export function compileExecutable({ entry, out, engine, heap }) {
  // Bun keeps the name it was given inside the file, so it is made under its final name, elsewhere.
  const folder = mkdtempSync(join(dirname(out), ".build-"));
  const made = join(folder, basename(out));
  try {
    const flags = ["--compile", "--minify", "--bytecode", LATE_JIT, ...CHUNKS, ...NO_AUTOLOAD, ...versionDefines()];
    runBun(["build", ...flags, "--external", "koffi", "--outfile", made, entry]);
    if (engine !== undefined) injectEngine({ executable: made, engine, heap });
    renameSync(made, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
