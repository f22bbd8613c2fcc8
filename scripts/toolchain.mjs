/** The C compilers: this machine's own, and Debian's cross compilers with an emulator for what they make. */
import { execFileSync, spawnSync } from "node:child_process";
import { BuildError } from "./tools.mjs";

/** By the kernel's name of the machine: Node's, the triple of Debian's cross compiler, and QEMU's. */
const MACHINES = {
  x86_64: { node: "x64", triple: "x86_64-linux-gnu", qemu: "x86_64" },
  aarch64: { node: "arm64", triple: "aarch64-linux-gnu", qemu: "aarch64" },
  /** It has no instructions for atomic operations on less than 32 bits. */
  riscv64: { node: "riscv64", triple: "riscv64-linux-gnu", qemu: "riscv64", libraries: ["-latomic"] },
  ppc64le: { node: "ppc64", triple: "powerpc64le-linux-gnu", qemu: "ppc64le" },
  s390x: { node: "s390x", triple: "s390x-linux-gnu", qemu: "s390x" },
};

export const ARCHITECTURES = Object.keys(MACHINES);

function works(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function ownMachine() {
  const found = ARCHITECTURES.find((name) => MACHINES[name].node === process.arch);
  if (found === undefined)
    throw new BuildError(`there is no standalone executable for ${process.arch}; use dist/cli.js`);
  return found;
}

/** musl-gcc hides the kernel's headers with glibc's: they are put back, after musl's own. */
function kernelHeaders() {
  const triple = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  return ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
}

/** This machine's compiler for static programs: musl where it is installed, for smaller ones. */
function ownToolchain(arch) {
  const compilers = process.env.CC ? [process.env.CC] : ["musl-gcc", "cc"];
  const compiler = compilers.find((name) => works(name, ["--version"]));
  if (compiler === undefined) {
    throw new BuildError("no C compiler; install the Debian packages `gcc` and `musl-tools` (or `libc6-dev`)");
  }
  return {
    arch,
    compiler,
    flags: compiler.endsWith("musl-gcc") ? kernelHeaders() : [],
    libraries: MACHINES[arch].libraries ?? [],
    tool: (name) => name,
    run: (program) => [program],
    isNative: true,
  };
}

function crossToolchain(arch) {
  const { triple, qemu, libraries = [] } = MACHINES[arch];
  const compiler = `${triple}-gcc`;
  if (!works(compiler, ["--version"])) {
    throw new BuildError(`no \`${compiler}\`; install the Debian package \`gcc-${triple.replaceAll("_", "-")}\``);
  }
  const emulator = `qemu-${qemu}-static`;
  if (!works(emulator, ["--version"])) {
    throw new BuildError(`no \`${emulator}\`, which makes the heap; install the Debian package \`qemu-user-static\``);
  }
  return {
    arch,
    compiler,
    flags: [],
    libraries,
    tool: (name) => `${triple}-${name}`,
    run: (program) => [emulator, program],
    isNative: false,
  };
}

/**
 * What to compile for an architecture with: the compiler and its flags, the name of a tool of binutils, and how a program
 * is run on this machine. Absent: this machine's architecture.
 *
 * @throws BuildError where something has to be installed
 */
export function toolchainFor(arch = ownMachine()) {
  if (!ARCHITECTURES.includes(arch)) {
    throw new BuildError(`unknown architecture \`${arch}\`; those that are known are ${ARCHITECTURES.join(", ")}`);
  }
  return MACHINES[arch].node === process.arch ? ownToolchain(arch) : crossToolchain(arch);
}
