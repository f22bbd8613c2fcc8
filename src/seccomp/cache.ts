/**
 * Compiled filters on disk. Measured in the executable on a 2-core VM: compiling Docker's default profile takes 3 to
 * 5 ms in a process that has just started (the code is not yet optimised), reading it back 0.2 ms.
 *
 * A file that anybody else could have written would be a way into every container: the folder and the file must
 * belong to the effective user with no access for others, symbolic links are not followed, and the file carries the
 * digest of its key and content, so that one that was cut off or swapped for another is not used.
 */

import { createHash } from "node:crypto";
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
import * as process from "node:process";
import type { Seccomp } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import { INSTRUCTION_SIZE } from "./bpf.ts";
import { COMPILER_VERSION, type CompiledFilter, type CompileOptions, compileSeccomp, filterFlags } from "./compile.ts";
import { MAX_INSTRUCTIONS } from "./constants.ts";
import { filterArches } from "./rules.ts";
import { usesNotify } from "./validate.ts";

const DIGEST_SIZE = 32;
/** A host has a handful of profiles; when there are more files than this, all go. */
const MAX_FILES = 64;

/**
 * {@link compileSeccomp} by way of `folder`, which is made (0700) if need be. Whatever is wrong with the cache, the
 * filter is compiled: only the profile's own errors are thrown.
 */
export function compileSeccompCached(seccomp: Seccomp, options: CompileOptions, folder: string): CompiledFilter {
  const key = cacheKey(seccomp, options);
  const path = join(folder, `${key}.bpf`);
  const instructions = readFilter(path, key);
  if (instructions !== undefined) {
    return {
      instructions,
      length: instructions.length / INSTRUCTION_SIZE,
      flags: filterFlags(seccomp, options.kernel ?? {}),
      listener: usesNotify(seccomp),
      arches: filterArches(seccomp, options.arch),
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

/** Hexadecimal SHA-256 of all that decides about the filter, and about whether the profile is refused. */
export function cacheKey(seccomp: Seccomp, { arch, kernel, neededCalls }: CompileOptions): string {
  const facts = [COMPILER_VERSION, arch, archInfo(arch).audit, kernel ?? null, neededCalls ?? null, seccomp];
  const text = JSON.stringify(facts, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  return createHash("sha256").update(text).digest("hex");
}

function digest(key: string, instructions: Uint8Array): Buffer {
  return createHash("sha256").update(key).update(instructions).digest();
}

function readFilter(path: string, key: string): Uint8Array | undefined {
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
    const length = size - DIGEST_SIZE;
    if (!isPrivate || length <= 0 || length > MAX_INSTRUCTIONS * INSTRUCTION_SIZE || length % INSTRUCTION_SIZE !== 0) {
      return undefined;
    }
    const content = readFileSync(fd);
    const instructions = content.subarray(DIGEST_SIZE);
    return digest(key, instructions).equals(content.subarray(0, DIGEST_SIZE))
      ? new Uint8Array(instructions)
      : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function writeFilter(folder: string, path: string, key: string, instructions: Uint8Array): void {
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
    writeFileSync(fd, Buffer.concat([digest(key, instructions), instructions]));
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
