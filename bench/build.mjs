/** Builds the static C programs of the benchmark into dist/bench/. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { toolchainFor } from "../scripts/toolchain.mjs";
import { filesIn, isStale, ROOT, run } from "../scripts/tools.mjs";

const folder = join(ROOT, "dist/bench");
mkdirSync(folder, { recursive: true });
const { compiler, flags } = toolchainFor();
for (const source of filesIn("bench/native", ".c")) {
  const target = join(folder, basename(source, ".c"));
  if (!isStale(target, [source])) continue;
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  run(compiler, ["-std=gnu11", "-Os", ...warnings, ...flags, "-static", "-s", "-o", target, source]);
}
