/** Compiles native/front to the flat blob that inject-front.mjs puts into the executable. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { BuildError, filesIn, isStale, ROOT, run, showSize } from "./tools.mjs";

const FLAGS = (
  "-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin -fPIE -mgeneral-regs-only -fno-stack-protector " +
  "-fno-stack-clash-protection -fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns " +
  "-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments"
).split(" ");

/** Our name of the architecture we run on; Bun has executables for no other. */
function entryFor(arch) {
  const name = { x64: "x86_64", arm64: "aarch64" }[arch];
  if (name === undefined) throw new BuildError(`there is no standalone executable for ${arch}; use dist/cli.js`);
  return `native/front/entry-${name}.S`;
}

/** Builds the front to `out`, unless it is there and newer than its sources. */
export function buildFront(out) {
  const folder = "native/front";
  if (!isStale(out, filesIn(folder, ".c", ".h", ".S", ".ld"))) return;
  mkdirSync(dirname(out), { recursive: true });
  const elf = `${out}.elf`;
  // -fcf-protection is an x86 flag; the entry has its own landing pad.
  const flags = process.arch === "x64" ? FLAGS : FLAGS.filter((flag) => !flag.startsWith("-fcf-protection"));
  const sources = [entryFor(process.arch), `${folder}/front.c`].map((file) => join(ROOT, file));
  run("cc", [...flags, `-Wl,-T,${join(ROOT, folder, "front.ld")}`, "-o", elf, ...sources]);
  run("objcopy", ["-O", "binary", "-j", ".front", elf, `${out}.new`]);
  rmSync(elf);
  renameSync(`${out}.new`, out);
  console.log(`  ${out.slice(ROOT.length + 1)}: ${showSize(out)}`);
}
