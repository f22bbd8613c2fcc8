/** Makes the executable's own engine (native/engine) and its heap: the command line, loaded. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, renameSync } from "node:fs";
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
  const link = [
    "-Wl,-e,engine_entry",
    `-Wl,-Ttext-segment=${ADDRESS}`,
    "-Wl,--build-id=none",
    "-Wl,--wrap=gettimeofday",
    "-lm",
    "-lpthread",
  ];
  const headers = ["-isystem", include, ...kernelHeaderFlags(compiler)];
  run(compiler, [
    ...[...flags, ...headers, `-DTSRUNC_INIT="${init}"`, "-o", `${out}.new`],
    ...[...sources, ...objects, ...link],
  ]);
  renameSync(`${out}.new`, out);
}

/**
 * Loads a script and writes the heap. Without the environment, paths and names of the build, which are no part of what
 * is built: the same source gives the same heap.
 */
function snapshot(engine, script, heap) {
  const [input, output] = [openSync(script, "r"), openSync(`${heap}.new`, "w")];
  try {
    const stdio = ["ignore", "inherit", "inherit", input, output];
    const words = ["--snapshot", "/proc/self/fd/3", "/proc/self/fd/4"];
    execFileSync(engine, words, { argv0: "engine", env: {}, cwd: "/", stdio });
  } finally {
    closeSync(input);
    closeSync(output);
  }
  renameSync(`${heap}.new`, heap);
}

/**
 * Builds the engine to `out` and its heap to `heap`; `init` is the path of tsrunc-init. `script` defines the global
 * function `start`; absent: the command line.
 */
export async function buildEngine({ out, heap, init, script = `${heap}.js` }) {
  await compile(out, init);
  if (script === `${heap}.js`) run(findBun(), ["scripts/bundle-engine.ts", script]);
  snapshot(out, script, heap);
}
