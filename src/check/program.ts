/** Whether what `process.args` names is there and can run, as far as the root file system in the bundle tells. */
import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { candidates } from "../program/compile-process.ts";
import { insidePath } from "../spec/paths.ts";
import type { Spec } from "../spec/types.ts";
import type { Findings } from "./finding.ts";

const MOST_LINKS = 40;

/** Where a path of the container lies on the host, links followed inside of the root; undefined where nothing is. */
function resolveInside(rootfs: string, inside: string): string | undefined {
  let left = inside.split("/").filter((part) => part !== "");
  let links = 0;
  const done: string[] = [];
  while (left.length > 0) {
    const [part = "", ...rest] = left;
    left = rest;
    if (part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const at = path.join(rootfs, ...done, part);
    let target: string | undefined;
    try {
      if (fs.lstatSync(at).isSymbolicLink()) target = fs.readlinkSync(at);
    } catch {
      return undefined;
    }
    if (target === undefined) done.push(part);
    else {
      if (++links > MOST_LINKS) return undefined;
      if (target.startsWith("/")) done.length = 0;
      left = [...target.split("/").filter((piece) => piece !== ""), ...left];
    }
  }
  return path.join(rootfs, ...done);
}

/** Whether a mount of the configuration lies over the path, so that the bundle cannot tell what will be there. */
function isCovered(spec: Spec, inside: string): boolean {
  return (spec.mounts ?? []).some(({ destination }) => {
    const over = insidePath(destination);
    return inside === over || inside.startsWith(over === "/" ? "/" : `${over}/`);
  });
}

/** e_machine of the ELF header (elf(5)) by Node's name of the architecture. */
const MACHINES: Readonly<Record<string, readonly number[]>> = {
  x64: [62, 3],
  arm64: [183, 40],
  riscv64: [243],
  ppc64: [21],
  s390x: [22],
  arm: [40],
};

function head(file: string): Uint8Array {
  const bytes = new Uint8Array(4096);
  const fd = fs.openSync(file, "r");
  try {
    const length = fs.readSync(fd, bytes, 0, bytes.length, 0);
    return bytes.subarray(0, length);
  } finally {
    fs.closeSync(fd);
  }
}

interface Executable {
  readonly machine: number;
  readonly interpreter: string | undefined;
}

function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Undefined where it is no ELF file; the interpreter is only seen where it stands in the first page, as it does. */
function readElf(bytes: Uint8Array): Executable | undefined {
  if (bytes.length < 64 || text(bytes.subarray(0, 4)) !== "\u007fELF") return undefined;
  const little = bytes[5] === 1;
  const wide = bytes[4] === 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number) => (wide ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const table = word(wide ? 32 : 28);
  const size = view.getUint16(wide ? 54 : 42, little);
  const count = view.getUint16(wide ? 56 : 44, little);
  let interpreter: string | undefined;
  for (let at = table; at + size <= bytes.length && at < table + size * count; at += size) {
    const PT_INTERP = 3;
    if (view.getUint32(at, little) !== PT_INTERP) continue;
    const [offset, length] = [word(at + (wide ? 8 : 4)), word(at + (wide ? 32 : 16))];
    if (offset + length <= bytes.length) interpreter = text(bytes.subarray(offset, offset + length - 1));
  }
  return { machine: view.getUint16(18, little), interpreter };
}

/** The program that the first line of a script names. */
function readScript(bytes: Uint8Array): string | undefined {
  const line = text(bytes).split("\n", 1)[0] ?? "";
  return line.startsWith("#!") ? line.slice(2).trim().split(/[ \t]/, 1)[0] : undefined;
}

function checkContent(spec: Spec, rootfs: string, file: string, name: string, found: Findings): void {
  const at = "/process/args/0";
  let bytes: Uint8Array;
  try {
    bytes = head(file);
  } catch {
    return;
  }
  const elf = readElf(bytes);
  const needed = elf?.interpreter ?? readScript(bytes);
  if (elf !== undefined && MACHINES[process.arch]?.includes(elf.machine) === false)
    found.warning(
      at,
      `program \`${name}\` is for another architecture than this machine's`,
      "install qemu-user-static with binfmt",
    );
  else if (elf === undefined && needed === undefined)
    found.error(
      at,
      `program \`${name}\` is neither an ELF file nor a script (ENOEXEC)`,
      "begin a script with `#!/bin/sh`",
    );
  if (needed === undefined || needed === "" || isCovered(spec, insidePath(needed))) return;
  if (resolveInside(rootfs, needed) === undefined)
    found.error(at, `program \`${name}\` needs \`${needed}\`, which the root file system has not (ENOENT)`);
}

export function checkProgram(spec: Spec, rootfs: string, found: Findings): void {
  const { process: target } = spec;
  const name = target?.args?.[0];
  if (target === undefined || name === undefined) {
    found.warning("/process", "without `process` the container can be created, but not started");
    return;
  }
  const places = candidates(target).map((place) => (place.startsWith("/") ? place : `${target.cwd}/${place}`));
  if (places.some((place) => isCovered(spec, insidePath(place)))) return;
  const at = "/process/args/0";
  const files = places.map((place) => resolveInside(rootfs, place)).filter((file) => file !== undefined);
  const [first] = files;
  if (first === undefined) {
    found.error(
      at,
      `program \`${name}\` is not in the root file system (ENOENT)`,
      name.includes("/") ? undefined : "see PATH in /process/env",
    );
    return;
  }
  const usable = files.find((file) => fs.statSync(file).isFile() && (fs.statSync(file).mode & 0o111) !== 0);
  if (usable === undefined) found.error(at, `program \`${name}\` cannot be executed (EACCES)`, "chmod +x");
  else checkContent(spec, rootfs, usable, name, found);
}
