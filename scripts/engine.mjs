/** Makes the executable's own engine (native/engine) and its heap: the command line, loaded. */
import { execFileSync } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { buildQuickjs } from "./quickjs.mjs";
import { BuildError, filesIn, findBun, findStaticCompiler, isStale, kernelHeaderFlags, ROOT, run } from "./tools.mjs";

/** Above the heap, whose address native/engine/heap.h has. */
const ADDRESS = "0x28000000";

function entryFor(arch) {
  const name = { x64: "x86_64", arm64: "aarch64" }[arch];
  if (name === undefined) throw new BuildError(`there is no standalone executable for ${arch}; use dist/cli.js`);
  return join(ROOT, `native/engine/entry-${name}.S`);
}

async function compile(out, init) {
  const compiler = findStaticCompiler();
  const { include, objects } = await buildQuickjs(compiler);
  const folder = "native/engine";
  const sources = [...filesIn(folder, ".c"), join(ROOT, folder, "init.S"), entryFor(process.arch)];
  if (!isStale(out, [...sources, ...filesIn(folder, ".h"), ...objects, init])) return;
  const flags =
    "-std=gnu11 -D_GNU_SOURCE -O2 -static -fno-pie -no-pie -Wall -Wextra -Werror -Wno-cast-function-type".split(" ");
  const link = ["-Wl,-e,engine_entry", `-Wl,-Ttext-segment=${ADDRESS}`, "-Wl,--build-id=none", "-lm", "-lpthread"];
  const headers = ["-isystem", include, ...kernelHeaderFlags(compiler)];
  run(compiler, [
    ...[...flags, ...headers, `-DTSRUNC_INIT="${init}"`, "-o", `${out}.new`],
    ...[...sources, ...objects, ...link],
  ]);
  renameSync(`${out}.new`, out);
}

/**
 * Builds the engine to `out` and its heap to `heap`; `init` is the path of tsrunc-init. `script` defines the global
 * function `start`; absent: the command line.
 */
export async function buildEngine({ out, heap, init, script }) {
  await compile(out, init);
  const bundle = `${heap}.js`;
  if (script === undefined) run(findBun(), ["scripts/bundle-engine.ts", bundle]);
  execFileSync(out, ["--snapshot", script ?? bundle, `${heap}.new`], { stdio: ["ignore", "inherit", "inherit"] });
  renameSync(`${heap}.new`, heap);
}
