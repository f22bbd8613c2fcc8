/**
 * Puts the front (native/front) and tsrunc-init into a compiled Bun executable.
 *
 * The executable is an ELF64 file without room between its segments. Its PT_NOTE program header (a build id, which
 * nothing reads at run time) becomes a PT_LOAD that maps what is appended to the file:
 *
 *     front code | padding | tsrunc-init
 *
 * and e_entry points at the front, which jumps to the old entry point when it is done.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { BuildError } from "./tools.mjs";

const PT_LOAD = 1;
const PT_NOTE = 4;
const HEADER_SIZE = 56;
/** 64 KiB is the largest page of the architectures Bun has. */
const PAGE = 0x10000n;
/** Magic and four words of parameters stand before the front's first instruction. */
const ENTRY_OFFSET = 40n;
const SYMBOL_SIZE = 24;
const RELA_SIZE = 24;

function expect(condition, what) {
  if (!condition) throw new BuildError(`the executable that bun made is not laid out as expected: ${what}`);
}

function alignUp(value, to) {
  return ((value + to - 1n) / to) * to;
}

function readAt(fd, offset, size) {
  const buffer = Buffer.alloc(size);
  expect(readSync(fd, buffer, 0, size, Number(offset)) === size, "it is truncated");
  return buffer;
}

/** The ELF header's fields that matter, checked. */
function readHeader(fd) {
  const raw = readAt(fd, 0n, 64);
  expect(raw.readUInt32BE(0) === 0x7f454c46, "no ELF file");
  expect(raw[4] === 2 && raw[5] === 1, "not a 64-bit little-endian ELF file");
  const machine = { x64: 62, arm64: 183 }[process.arch];
  expect(raw.readUInt16LE(18) === machine, `it is for another machine than ${process.arch}`);
  expect(raw.readUInt16LE(54) === HEADER_SIZE, "unknown size of program headers");
  return { raw, entry: raw.readBigUInt64LE(24), phoff: raw.readBigUInt64LE(32), phnum: raw.readUInt16LE(56) };
}

function readSegments(fd, { phoff, phnum }) {
  const table = readAt(fd, phoff, phnum * HEADER_SIZE);
  return Array.from({ length: phnum }, (_, i) => {
    const raw = table.subarray(i * HEADER_SIZE, (i + 1) * HEADER_SIZE);
    return { i, type: raw.readUInt32LE(0), vaddr: raw.readBigUInt64LE(16), memsz: raw.readBigUInt64LE(40) };
  });
}

/** The header that may be reused. ld.so wants PT_LOADs in ascending order, so it must stand after the last one. */
function findNote(segments) {
  const notes = segments.filter((segment) => segment.type === PT_NOTE);
  const loads = segments.filter((segment) => segment.type === PT_LOAD);
  expect(notes.length === 1, `${notes.length} PT_NOTE program headers`);
  expect(loads.length > 0, "no PT_LOAD program header");
  expect(notes[0].i > loads.at(-1).i, "PT_NOTE stands before the last PT_LOAD");
  expect(
    loads.every((load, i) => i === 0 || load.vaddr >= loads[i - 1].vaddr),
    "PT_LOADs are not in ascending order",
  );
  // The last in ascending order; nothing after it in memory but the kernel's own choices.
  const last = loads.at(-1);
  return { note: notes[0], end: last.vaddr + last.memsz };
}

function programHeader(offset, vaddr, size) {
  const raw = Buffer.alloc(HEADER_SIZE);
  raw.writeUInt32LE(PT_LOAD, 0);
  raw.writeUInt32LE(5, 4); // R|X
  for (const [i, value] of [offset, vaddr, vaddr, size, size, PAGE].entries()) raw.writeBigUInt64LE(value, 8 + i * 8);
  return raw;
}

/** The bytes of the sections with the given names, from the section headers that Bun keeps. */
function readSections(fd, header, names) {
  const count = header.raw.readUInt16LE(60);
  expect(count > 0 && header.raw.readUInt16LE(58) === 64, "no section headers");
  const table = readAt(fd, header.raw.readBigUInt64LE(40), count * 64);
  const content = (i) => readAt(fd, table.readBigUInt64LE(i * 64 + 24), Number(table.readBigUInt64LE(i * 64 + 32)));
  const strings = content(header.raw.readUInt16LE(62));
  const nameOf = (i) => cString(strings, table.readUInt32LE(i * 64));
  return names.map((name) => {
    const found = Array.from({ length: count }, (_, i) => i).find((i) => nameOf(i) === name);
    expect(found !== undefined, `no section ${name}`);
    return content(found);
  });
}

function cString(buffer, offset) {
  return buffer.toString("latin1", offset, buffer.indexOf(0, offset));
}

/** Address of the word that libc uses for `environ`: ld.so copies the variable into the executable. */
function findEnviron(fd, header) {
  const [relocations, symbols, strings] = readSections(fd, header, [".rela.dyn", ".dynsym", ".dynstr"]);
  const copy = { x64: 5, arm64: 1024 }[process.arch];
  for (let at = 0; at + RELA_SIZE <= relocations.length; at += RELA_SIZE) {
    if (relocations.readUInt32LE(at + 8) !== copy) continue;
    const symbol = relocations.readUInt32LE(at + 12) * SYMBOL_SIZE;
    if (/^_{0,2}environ$/.test(cString(strings, symbols.readUInt32LE(symbol)))) return relocations.readBigUInt64LE(at);
  }
  return expect(false, "no copy relocation for environ");
}

/** Front code with its parameters filled in, followed by tsrunc-init on a page of its own. */
function makeBlob(front, init, { entry, environ }) {
  if (front.toString("latin1", 0, 8) !== "TSRFRONT")
    throw new BuildError("the front does not begin with its parameters");
  const start = Number(alignUp(BigInt(front.length), 4096n));
  const blob = Buffer.alloc(start + init.length);
  front.copy(blob);
  init.copy(blob, start);
  blob.writeBigInt64LE(entry, 8);
  blob.writeBigUInt64LE(BigInt(start), 16);
  blob.writeBigUInt64LE(BigInt(init.length), 24);
  blob.writeBigInt64LE(environ, 32);
  return blob;
}

/** Changes the file `executable` in place; `front` and `init` are paths. */
export function injectFront({ executable, front, init }) {
  const fd = openSync(executable, "r+");
  try {
    const header = readHeader(fd);
    const { note, end } = findNote(readSegments(fd, header));
    const vaddr = alignUp(end, PAGE);
    const offset = alignUp(BigInt(fstatSync(fd).size), PAGE);
    const addresses = { entry: header.entry - vaddr, environ: findEnviron(fd, header) - vaddr };
    const blob = makeBlob(readFileSync(front), readFileSync(init), addresses);
    writeSync(fd, blob, 0, blob.length, Number(offset));
    const at = Number(header.phoff) + note.i * HEADER_SIZE;
    writeSync(fd, programHeader(offset, vaddr, BigInt(blob.length)), 0, HEADER_SIZE, at);
    header.raw.writeBigUInt64LE(vaddr + ENTRY_OFFSET, 24);
    writeSync(fd, header.raw, 0, 64, 0);
  } finally {
    closeSync(fd);
  }
}
