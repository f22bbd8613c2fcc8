/** The part of `node:fs` that tsrunc uses, on the system calls themselves: with Node's arguments, results and errors. */
import { LITTLE, viewOf } from "../endian.ts";
import { AT_FDCWD, attempt, call, checked, failure } from "./call.ts";
import { BYTES, host, LATIN1, UTF8 } from "./host.ts";
import { lstatSync } from "./stat.ts";

export { fstatSync, lstatSync, statSync } from "./stat.ts";

const AT_REMOVEDIR = 0x200;
const DT_DIR = 4;
const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;
const NAME_TRIES = 100;

export const constants = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, ...host.files } as const;

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_CLOEXEC, O_PATH } = constants;
const FLAGS: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
};

function flagBits(flag: string | number): number {
  const bits = typeof flag === "number" ? flag : FLAGS[flag];
  if (bits === undefined) throw new TypeError(`unknown open flag ${flag}`);
  return bits | O_CLOEXEC;
}

export function openSync(path: string, flag: string | number = "r", mode = 0o666): number {
  return call("openat", path, AT_FDCWD, checked(path), flagBits(flag), mode);
}

export function closeSync(fd: number): void {
  call("close", undefined, fd);
}

type Encoding = "utf8" | "latin1";

export function readFileSync(
  source: string | number,
  options?: Encoding | { readonly encoding?: Encoding },
): string | Buffer {
  const encoding = typeof options === "string" ? options : options?.encoding;
  const kind = encoding === undefined ? BYTES : encoding === "latin1" ? LATIN1 : UTF8;
  const path = typeof source === "number" ? source : checked(source);
  const content = host.readFile(path, kind);
  if (typeof content === "number")
    throw typeof source === "number" ? failure(-content, "read") : failure(-content, "open", source);
  return typeof content === "string" ? content : Buffer.from(content);
}

export function readSync(
  fd: number,
  into: ArrayBufferView,
  offset = 0,
  length: number = into.byteLength - offset,
  position: number | null = null,
): number {
  const room = new Uint8Array(into.buffer, into.byteOffset, into.byteLength).subarray(offset, offset + length);
  return position === null
    ? call("read", undefined, fd, room, length)
    : call("pread64", undefined, fd, room, length, position);
}

export function writeSync(fd: number, data: string | Uint8Array): number {
  return call("write", undefined, fd, data, typeof data === "string" ? host.byteLength(data) : data.length);
}

interface WriteOptions {
  readonly mode?: number;
  readonly flag?: string | number;
}

export function writeFileSync(file: string | number, data: string | Uint8Array, options: WriteOptions = {}): void {
  const fd = typeof file === "number" ? file : openSync(file, options.flag ?? "w", options.mode ?? 0o666);
  try {
    writeWhole(fd, data);
  } finally {
    if (typeof file !== "number") closeSync(fd);
  }
}

/** In one call where the kernel takes it in one, as the files of procfs and cgroupfs want. */
function writeWhole(fd: number, data: string | Uint8Array): void {
  const length = typeof data === "string" ? host.byteLength(data) : data.length;
  let written = writeSync(fd, data);
  if (written === length) return;
  const bytes = Buffer.from(data as string);
  while (written < length) written += writeSync(fd, bytes.subarray(written));
}

export function accessSync(path: string, mode: number = constants.F_OK): void {
  call("faccessat", path, AT_FDCWD, checked(path), mode);
}

export function existsSync(path: string): boolean {
  return typeof path === "string" && !path.includes("\0") && attempt("faccessat", AT_FDCWD, path, 0) === 0;
}

export function chownSync(path: string, uid: number, gid: number): void {
  call("fchownat", path, AT_FDCWD, checked(path), uid, gid, 0);
}

export function fchmodSync(fd: number, mode: number): void {
  call("fchmod", undefined, fd, mode);
}

export function renameSync(from: string, to: string): void {
  const result = attempt("renameat2", AT_FDCWD, checked(from), AT_FDCWD, checked(to), 0);
  if (result < 0) throw failure(-result, "rename", from, to);
}

export function unlinkSync(path: string): void {
  call("unlinkat", path, AT_FDCWD, checked(path), 0);
}

export function mkdirSync(path: string, options: { readonly recursive?: boolean; readonly mode?: number } = {}): void {
  const mode = options.mode ?? 0o777;
  let result = attempt("mkdirat", AT_FDCWD, checked(path), mode);
  if (options.recursive === true) {
    const parent = path.replace(/\/+[^/]+\/*$/, "") || "/";
    if (result === -ENOENT && parent !== path) {
      mkdirSync(parent, options);
      result = attempt("mkdirat", AT_FDCWD, path, mode);
    }
    if (result === -EEXIST && isDirectory(path)) return;
  }
  if (result < 0) throw failure(-result, "mkdir", path);
}

function isDirectory(path: string): boolean {
  const result = attempt("openat", AT_FDCWD, `${path}/.`, O_PATH | O_CLOEXEC);
  if (result >= 0) closeSync(result);
  return result >= 0;
}

export function mkdtempSync(prefix: string): string {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  for (let tries = 0; ; tries++) {
    let bits = host.clock(1) + tries * 7919;
    let name = prefix;
    for (let i = 0; i < 6; i++) {
      name += letters[Math.floor(bits) % letters.length];
      bits /= letters.length;
    }
    const result = attempt("mkdirat", AT_FDCWD, checked(name), 0o700);
    if (result >= 0) return name;
    if (result !== -EEXIST || tries === NAME_TRIES) throw failure(-result, "mkdtemp", `${prefix}XXXXXX`);
  }
}

/** An entry of a directory. */
export class Dirent {
  readonly name: string;
  readonly #directory: boolean;

  constructor(parent: string, name: string, type: number) {
    this.name = name;
    // Some file systems do not tell the type.
    this.#directory = type === DT_DIR || (type === 0 && lstatSync(`${parent}/${name}`).isDirectory());
  }

  isDirectory(): boolean {
    return this.#directory;
  }
}

export function readdirSync(path: string, options?: { readonly withFileTypes?: boolean }): string[] | Dirent[] {
  const entries = host.list(checked(path));
  if (typeof entries === "number") throw failure(-entries, "scandir", path);
  const names: string[] = [];
  const typed: Dirent[] = [];
  for (let i = 0; i < entries.length; i += 2) {
    const name = entries[i] as string;
    if (options?.withFileTypes === true) typed.push(new Dirent(path, name, entries[i + 1] as number));
    else names.push(name);
  }
  return options?.withFileTypes === true ? typed : names;
}

export function rmdirSync(path: string): void {
  const result = attempt("unlinkat", AT_FDCWD, checked(path), AT_REMOVEDIR);
  if (result < 0) throw failure(-result, "rmdir", path);
}

/** Files only: directories are removed by descriptors, see ../remove-tree.ts. */
export function rmSync(path: string, options: { readonly force?: boolean } = {}): void {
  const result = attempt("unlinkat", AT_FDCWD, checked(path), 0);
  if (result < 0 && !(options.force === true && (result === -ENOENT || result === -ENOTDIR))) {
    throw failure(-result, "rm", path);
  }
}

const PATH_MAX = 4096;

/** The link's text; undefined where there is none. */
export function readLink(path: string): string | undefined {
  const bytes = new Uint8Array(PATH_MAX);
  const length = attempt("readlinkat", AT_FDCWD, path, bytes, bytes.length);
  return length < 0 ? undefined : host.decode(bytes, 0, length, UTF8);
}

export function readlinkSync(path: string): string {
  const bytes = new Uint8Array(PATH_MAX);
  const length = call("readlinkat", path, AT_FDCWD, checked(path), bytes, bytes.length);
  return host.decode(bytes, 0, length, UTF8);
}

/** By way of a descriptor: the kernel knows the path that it has resolved. */
export function realpathSync(path: string): string {
  const fd = call("openat", path, AT_FDCWD, checked(path), O_PATH | O_CLOEXEC);
  try {
    return readLink(`/proc/self/fd/${fd}`) ?? path;
  } finally {
    closeSync(fd);
  }
}

/** The type of a file system is the first word of `struct statfs`, but on s390x a half of one. */
const SHORT_TYPE = host.arch === "s390x";

/** Writes the type into `struct statfs`. */
export function setType(bytes: Uint8Array, type: number): void {
  if (SHORT_TYPE) viewOf(bytes).setUint32(0, type, LITTLE);
  else viewOf(bytes).setBigUint64(0, BigInt(type), LITTLE);
}

export function statfsSync(path: string): { readonly type: number } {
  const bytes = new Uint8Array(256);
  call("statfs", path, checked(path), bytes);
  const view = viewOf(bytes);
  return { type: SHORT_TYPE ? view.getUint32(0, LITTLE) : Number(view.getBigUint64(0, LITTLE)) };
}
