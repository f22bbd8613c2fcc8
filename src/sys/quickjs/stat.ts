import { LITTLE } from "../endian.ts";
import { AT_FDCWD, attempt, checked, failure } from "./call.ts";
import { host } from "./host.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const SIZE = 256;
const { S_IFMT, S_IFDIR, S_IFREG, S_IFLNK } = host.files;

/** The part of Node's `Stats` that is used, read from `struct statx`, which has one layout everywhere. */
export class Stats {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: number;
  readonly size: number;
  readonly dev: number;
  readonly ctimeMs: number;

  constructor(view: DataView) {
    this.uid = view.getUint32(20, LITTLE);
    this.gid = view.getUint32(24, LITTLE);
    this.mode = view.getUint16(28, LITTLE);
    this.ino = Number(view.getBigUint64(32, LITTLE));
    this.size = Number(view.getBigUint64(40, LITTLE));
    this.ctimeMs = Number(view.getBigInt64(96, LITTLE)) * 1000 + view.getUint32(104, LITTLE) / 1e6;
    this.dev = view.getUint32(136, LITTLE) * 2 ** 20 + view.getUint32(140, LITTLE);
  }

  isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  isFile(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  isSymbolicLink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }
}

function statx(name: string, fd: number, path: string, flags: number): Stats | Error {
  const bytes = new Uint8Array(SIZE);
  const result = attempt("statx", fd, path, flags, STATX_BASIC_STATS, bytes);
  return result < 0
    ? failure(-result, name, path === "" && fd !== AT_FDCWD ? undefined : path)
    : new Stats(new DataView(bytes.buffer));
}

function orThrow(result: Stats | Error): Stats {
  if (result instanceof Error) throw result;
  return result;
}

export function statSync(path: string, options?: { readonly throwIfNoEntry?: boolean }): Stats | undefined {
  const result = statx("stat", AT_FDCWD, checked(path), 0);
  const code = (result as { readonly code?: string }).code;
  if (options?.throwIfNoEntry === false && code === "ENOENT") return undefined;
  return orThrow(result);
}

export function lstatSync(path: string): Stats {
  return orThrow(statx("lstat", AT_FDCWD, checked(path), AT_SYMLINK_NOFOLLOW));
}

export function fstatSync(fd: number): Stats {
  return orThrow(statx("fstat", fd, "", AT_EMPTY_PATH));
}
