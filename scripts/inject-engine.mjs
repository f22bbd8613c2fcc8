/**
 * Puts our own engine (native/engine) and its heap into a compiled Bun executable.
 *
 * Both are appended to the file and mapped by a new table of program headers, which has no PT_INTERP: the kernel starts the
 * engine as a static program. Bun's own segments are mapped too, and the engine is told of Bun's headers, entry point and ld.so
 * (`struct bun` of native/engine/engine.h), so that it can start Bun in the same process.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { BuildError } from "./tools.mjs";

const ET_EXEC = 2;
const PT_NULL = 0;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_PHDR = 6;
const PT_GNU_STACK = 0x6474e551;
const READ_WRITE = 6;
const ELF_HEADER_SIZE = 64;
const HEADER_SIZE = 56;
/** 64 KiB is the largest page of the architectures Bun has. */
const PAGE = 0x10000;
/** `HEAP_BASE` of native/engine/heap.h. */
const HEAP_BASE = 0x20000000;
const MAGIC = "TSRUNBUN";
const MAX_SEGMENTS = 24;
const INTERPRETER_SIZE = 64;

function expect(condition, what) {
  if (!condition) throw new BuildError(`an executable is not laid out as expected: ${what}`);
}

function alignUp(value, to) {
  return Math.ceil(value / to) * to;
}

/** The parts of an ELF file that matter; `read(offset, size)` gives its bytes. */
function parseElf(read) {
  const header = read(0, ELF_HEADER_SIZE);
  expect(header.readUInt32BE(0) === 0x7f454c46, "no ELF file");
  expect(header[4] === 2 && header[5] === 1, "not a 64-bit little-endian ELF file");
  expect(header.readUInt16LE(16) === ET_EXEC, "its addresses are not fixed");
  expect(
    header.readUInt16LE(18) === { x64: 62, arm64: 183 }[process.arch],
    `it is for another machine than ${process.arch}`,
  );
  expect(header.readUInt16LE(54) === HEADER_SIZE, "unknown size of program headers");
  const count = header.readUInt16LE(56);
  const table = read(Number(header.readBigUInt64LE(32)), count * HEADER_SIZE);
  const segments = Array.from({ length: count }, (_, i) => {
    const raw = table.subarray(i * HEADER_SIZE, (i + 1) * HEADER_SIZE);
    const word = (at) => Number(raw.readBigUInt64LE(at));
    return { raw, type: raw.readUInt32LE(0), offset: word(8), vaddr: word(16), filesz: word(32), memsz: word(40) };
  });
  return {
    header,
    entry: header.readBigUInt64LE(24),
    segments,
    loads: segments.filter(({ type }) => type === PT_LOAD),
  };
}

/** A program header, with some of its fields changed. */
function programHeader(raw, { type, flags, offset, vaddr, filesz, memsz }) {
  const made = Buffer.from(raw ?? Buffer.alloc(HEADER_SIZE));
  if (type !== undefined) made.writeUInt32LE(type, 0);
  if (flags !== undefined) made.writeUInt32LE(flags, 4);
  const words = { 8: offset, 16: vaddr, 24: vaddr, 32: filesz, 40: memsz };
  for (const [at, value] of Object.entries(words)) {
    if (value !== undefined) made.writeBigUInt64LE(BigInt(value), Number(at));
  }
  return made;
}

/** `struct bun` of native/engine/engine.h. */
function tellOfBun(bun, interpreter) {
  expect(bun.segments.length <= MAX_SEGMENTS, `${bun.segments.length} program headers`);
  expect(interpreter.length < INTERPRETER_SIZE, `ld.so is \`${interpreter}\``);
  const told = Buffer.alloc(24 + MAX_SEGMENTS * HEADER_SIZE + INTERPRETER_SIZE);
  told.write(MAGIC, 0, "latin1");
  told.writeBigUInt64LE(bun.entry, 8);
  told.writeBigUInt64LE(BigInt(bun.segments.length), 16);
  for (const [i, { raw, type }] of bun.segments.entries()) {
    // The table is not where PT_PHDR says, from which ld.so would reckon that the program was moved.
    programHeader(raw, type === PT_PHDR ? { type: PT_NULL } : {}).copy(told, 24 + i * HEADER_SIZE);
  }
  told.write(interpreter, 24 + MAX_SEGMENTS * HEADER_SIZE, "latin1");
  return told;
}

/** What is appended: the engine's segments and the heap, each where its address wants it, and the new program headers. */
function appended(bun, engine, image, heap, start) {
  const pieces = [];
  const headers = [...bun.loads.map(({ raw }) => raw)];
  let at = alignUp(start, PAGE);
  const add = (bytes, raw, fields) => {
    const offset = at + (fields.vaddr % PAGE);
    pieces.push({ offset, bytes });
    headers.push(programHeader(raw, { ...fields, offset }));
    at = alignUp(offset + bytes.length, PAGE);
  };
  add(heap, undefined, {
    type: PT_LOAD,
    flags: READ_WRITE,
    vaddr: HEAP_BASE,
    filesz: heap.length,
    memsz: heap.length,
  });
  headers.at(-1).writeBigUInt64LE(BigInt(PAGE), 48);
  for (const { raw, offset, vaddr, filesz } of engine.loads)
    add(image.subarray(offset, offset + filesz), raw, { vaddr });
  const stack = bun.segments.find(({ type }) => type === PT_GNU_STACK);
  if (stack !== undefined) headers.push(stack.raw);
  pieces.push({ offset: at, bytes: Buffer.concat(headers) });
  return { pieces, table: at, count: headers.length };
}

/** Changes the file `executable` in place; `engine` and `heap` are paths. */
export function injectEngine({ executable, engine, heap }) {
  const fd = openSync(executable, "r+");
  const read = (offset, size) => {
    const buffer = Buffer.alloc(size);
    expect(readSync(fd, buffer, 0, size, offset) === size, "it is truncated");
    return buffer;
  };
  try {
    const bun = parseElf(read);
    const image = readFileSync(engine);
    const own = parseElf((offset, size) => image.subarray(offset, offset + size));
    const end = Math.max(...bun.loads.map(({ vaddr, memsz }) => vaddr + memsz));
    expect(end <= HEAP_BASE, "the heap would lie in Bun's segments");
    const content = readFileSync(heap);
    expect(HEAP_BASE + content.length <= own.loads[0].vaddr, "the heap would lie in the engine's segments");
    const interp = bun.segments.find(({ type }) => type === PT_INTERP);
    expect(interp !== undefined, "no PT_INTERP program header");
    const place = image.indexOf(MAGIC, 0, "latin1");
    expect(place > 0 && image.indexOf(MAGIC, place + 1, "latin1") < 0, "no place for what the engine is told");
    tellOfBun(bun, read(interp.offset, interp.filesz - 1).toString("latin1")).copy(image, place);
    const { pieces, table, count } = appended(bun, own, image, content, fstatSync(fd).size);
    for (const { offset, bytes } of pieces) writeSync(fd, bytes, 0, bytes.length, offset);
    bun.header.writeBigUInt64LE(own.entry, 24);
    bun.header.writeBigUInt64LE(BigInt(table), 32);
    bun.header.writeUInt16LE(count, 56);
    writeSync(fd, bun.header, 0, ELF_HEADER_SIZE, 0);
  } finally {
    closeSync(fd);
  }
}
