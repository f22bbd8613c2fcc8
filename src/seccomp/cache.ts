/**
 * Compiled filters on disk. Measured in the executable on a 2-core VM: compiling Docker's default profile takes 4 to
 * 6 ms in a process that has just started (its code is not yet optimised), reading it back 0.7 ms.
 *
 * A file that anybody else could have written would be a way into every container: the folder and the file must
 * belong to the effective user with no access for others, and symbolic links are not followed. The name of a file is
 * a plain hash, since loading `node:crypto` alone would take 5 ms; the file holds the whole text that was hashed, and
 * is used only if that is equal.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Seccomp } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import { INSTRUCTION_SIZE } from "./bpf.ts";
import { COMPILER_VERSION, type CompiledFilter, type CompileOptions, compileSeccomp, filterFlags } from "./compile.ts";
import { MAX_INSTRUCTIONS } from "./constants.ts";
import { filterArches } from "./rules.ts";
import { usesNotify } from "./validate.ts";

/** Magic number, bytes of the filter, checksum of the filter, 0; then the filter, then the key. */
const HEADER_SIZE = 16;
const MAGIC = 0x7473_7263;
/** A host has a handful of profiles; when there are more files than this, all go. */
const MAX_FILES = 64;

/**
 * {@link compileSeccomp} by way of `folder`, which is made (0700) if need be. Whatever is wrong with the cache, the
 * filter is compiled: only the profile's own errors are thrown.
 */
export function compileSeccompCached(seccomp: Seccomp, options: CompileOptions, folder: string): CompiledFilter {
  const key = cacheKey(seccomp, options);
  const path = join(folder, cacheName(key));
  const instructions = readFilter(path, key);
  if (instructions !== undefined) {
    return {
      instructions,
      length: instructions.length / INSTRUCTION_SIZE,
      flags: filterFlags(seccomp, options.kernel ?? {}),
      listener: usesNotify(seccomp),
      arches: filterArches(seccomp, options.arch),
      cached: true,
    };
  }
  const filter = compileSeccomp(seccomp, options);
  try {
    writeFilter(folder, path, key, filter.instructions);
  } catch {
    // A full or read-only file system costs the next start a few milliseconds, no more.
  }
  return filter;
}

/** All that decides about the filter, and about whether the profile is refused. */
export function cacheKey(seccomp: Seccomp, { arch, kernel, neededCalls }: CompileOptions): Buffer {
  const facts = [COMPILER_VERSION, arch, archInfo(arch).audit, kernel ?? null, neededCalls ?? null, seccomp];
  const text = JSON.stringify(facts, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  return Buffer.from(text);
}

/** File name for a key. Two keys with one name only push each other out. */
export function cacheName(key: Uint8Array): string {
  return `${key.length}-${checksum(key).toString(16).padStart(8, "0")}.bpf`;
}

/** FNV-1a over 32-bit words, the last bytes by themselves. */
function checksum(bytes: Uint8Array): number {
  // A copy starts at a multiple of four.
  const words = new Uint32Array(new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % 4))).buffer);
  let sum = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) {
    sum = Math.imul(sum ^ words[i]!, 0x01000193);
    sum ^= sum >>> 15; // FNV alone never carries a high bit into a low one
  }
  for (let i = words.length * 4; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193);
  return sum >>> 0;
}

function readFilter(path: string, key: Buffer): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const { size, uid, mode } = fstatSync(fd);
    const isPrivate =
      uid === process.geteuid?.() && (mode & constants.S_IFMT) === constants.S_IFREG && (mode & 0o77) === 0;
    const length = size - HEADER_SIZE - key.length;
    if (!isPrivate || length <= 0 || length > MAX_INSTRUCTIONS * INSTRUCTION_SIZE || length % INSTRUCTION_SIZE !== 0) {
      return undefined;
    }
    const content = readFileSync(fd);
    const filter = content.subarray(HEADER_SIZE, HEADER_SIZE + length);
    const isWhole = content.subarray(0, HEADER_SIZE).equals(header(filter));
    return isWhole && content.subarray(HEADER_SIZE + length).equals(key) ? new Uint8Array(filter) : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function header(filter: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(filter.length, 4);
  bytes.writeUInt32LE(checksum(filter), 8);
  return bytes;
}

function writeFilter(folder: string, path: string, key: Buffer, instructions: Uint8Array): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.geteuid?.() || (mode & constants.S_IFMT) !== constants.S_IFDIR || (mode & 0o22) !== 0) return;
  const names = readdirSync(folder);
  if (names.length >= MAX_FILES) for (const name of names) unlinkSync(join(folder, name));
  const temporary = `${path}.${process.pid}`;
  const fd = openSync(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    fchmodSync(fd, 0o600); // whatever the umask
    writeFileSync(fd, Buffer.concat([header(instructions), instructions, key]));
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
