/**
 * Makes the executable: the engine (native/engine) with QuickJS, and its heap, in which the command line is loaded. It is
 * linked twice, see native/engine/heap.S.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { quickjs } from "./quickjs.mjs";
import { BuildError, filesIn, isStale, ROOT, run, runAll } from "./tools.mjs";

const SOURCES = "native/engine";
const WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type"];
const FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fno-pie", "-ffunction-sections", "-fdata-sections"];
/** Unwinding tables are for debuggers and exceptions. */
const LEAN = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];

/** A number of native/engine/place.h. */
function place(name) {
  const text = readFileSync(join(ROOT, SOURCES, "place.h"), "utf8");
  const found = new RegExp(`^#define ${name} (0x[0-9a-f]+)$`, "m").exec(text);
  if (found === null) throw new BuildError(`native/engine/place.h has no ${name}`);
  return Number(found[1]);
}

/** Compiles what is older than its source; the objects of the engine, but for the heap's place. */
async function compile(toolchain, folder, init) {
  const { include, objects, flags } = await quickjs(toolchain);
  const headers = filesIn(SOURCES, ".h");
  const sources = filesIn(SOURCES, ".c", ".S").filter((source) => basename(source) !== "heap.S");
  const options = [...FLAGS, ...LEAN, ...WARNINGS, ...flags, "-isystem", include, ...toolchain.flags];
  const made = sources.map((source) => ({ source, object: join(folder, `${basename(source)}.o`) }));
  const stale = made.filter(({ source, object }) => isStale(object, [source, init, ...headers, ...objects]));
  await runAll(
    stale.map(({ source, object }) => [
      toolchain.compiler,
      [...options, `-DTSRUNC_INIT="${init}"`, "-c", source, "-o", object],
    ]),
  );
  return [...made.map(({ object }) => object), ...objects];
}

/** Links the engine with room for the heap or, with `heap`, with that heap. */
function link(toolchain, objects, out, heap) {
  const section = `${out}.heap.o`;
  const image = heap === undefined ? [] : [`-DHEAP_IMAGE="${heap}"`];
  run(toolchain.compiler, ["-c", ...image, join(ROOT, SOURCES, "heap.S"), "-o", section]);
  const options = [
    `--section-start=.heap=0x${place("HEAP_BASE").toString(16)}`,
    ...[
      "--undefined=heap_section",
      "--gc-sections",
      "--build-id=none",
      "--wrap=gettimeofday",
      "--wrap=clock_gettime",
      "-z,noexecstack",
    ],
  ];
  run(toolchain.compiler, [
    ...["-static", "-no-pie", ...options.map((option) => `-Wl,${option}`), "-o", out],
    ...[...objects, section, "-lm", "-lpthread", ...toolchain.libraries],
  ]);
}

/** Functions and data outside of the heap, each with its address. */
function symbols(toolchain, program) {
  const text = execFileSync(toolchain.tool("nm"), [program], { encoding: "utf8", maxBuffer: 1 << 26 });
  const from = place("HEAP_BASE");
  return text.split("\n").filter((line) => {
    const [address, type] = line.split(" ");
    return /^[TtRrDdBbVvWw]$/.test(type) && Number.parseInt(address, 16) < from;
  });
}

/** The heap has pointers into the program that wrote it. */
export function requireSameLayout(toolchain, one, another) {
  const [before, after] = [one, another].map((program) => symbols(toolchain, program));
  const moved = before.findIndex((line, i) => line !== after[i]);
  if (moved < 0 && before.length > 1000) return;
  throw new BuildError(`the linker has moved \`${before[moved]}\` to \`${after[moved]}\``);
}

/**
 * Loads a script and writes the heap. Without the environment, paths and names of the build, which are no part of what
 * is built: the same source gives the same heap.
 */
function snapshot(toolchain, engine, script, heap) {
  const [input, output] = [openSync(script, "r"), openSync(`${heap}.new`, "w")];
  try {
    const stdio = ["ignore", "inherit", "inherit", input, output];
    const [command, ...words] = [...toolchain.run(engine), "--snapshot", "/proc/self/fd/3", "/proc/self/fd/4"];
    run(command, words, { env: {}, cwd: "/", stdio });
  } finally {
    closeSync(input);
    closeSync(output);
  }
  renameSync(`${heap}.new`, heap);
}

/**
 * Builds the executable `out` of `script`, which defines the global function `start`; `init` is the path of tsrunc-init,
 * `folder` is for what is made on the way, the heap's image among it.
 */
export async function buildExecutable({ toolchain, out, init, script, folder }) {
  mkdirSync(folder, { recursive: true });
  const objects = await compile(toolchain, folder, init);
  const [empty, full, heap] = ["empty", "full", "heap"].map((name) => join(folder, `${basename(out)}.${name}`));
  link(toolchain, objects, empty);
  snapshot(toolchain, empty, script, heap);
  link(toolchain, objects, full, heap);
  requireSameLayout(toolchain, empty, full);
  run(toolchain.tool("strip"), ["-o", `${out}.new`, full]);
  renameSync(`${out}.new`, out);
  return heap;
}
