/** libc through `bun:ffi`: 0.7 ms to load, so it is loaded at the first call and not before. It needs the JIT. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Arg, type ArgKind, type Backend, FUNCTIONS, type FunctionName } from "./backend.ts";

/** The part of `bun:ffi` that is used; its own types would pull Bun's globals into every file. */
interface BunFfi {
  dlopen(path: string, symbols: Record<string, { args: readonly string[]; returns: string }>): Library;
  ptr(view: NodeJS.TypedArray): number;
  readonly read: { i32(pointer: number, offset: number): number };
}

interface Library {
  readonly symbols: Readonly<Record<string, (...args: readonly (number | bigint)[]) => number>>;
}

const TYPES: Readonly<Record<ArgKind, string>> = {
  int: "i32",
  long: "i64",
  string: "ptr",
  strings: "ptr",
  bytes: "ptr",
};

export function bunBackend(): Backend {
  const ffi = createRequire(import.meta.url)("bun:ffi") as BunFfi;
  const { symbols } = openLibc(ffi);
  const location = symbols.__errno_location?.() ?? 0;
  return {
    invoke(name, args) {
      // The views stay referenced until the call has returned: the engine may otherwise free what they point at.
      const keep: NodeJS.TypedArray[] = [];
      const words = args.map((arg) => toWord(ffi, arg, keep));
      const result = symbols[name]?.(...words) ?? -1;
      const errno = ffi.read.i32(location, 0);
      keep.length = 0;
      return result === -1 ? -errno : result;
    },
  };
}

function openLibc(ffi: BunFfi): Library {
  const signatures: Record<string, { args: readonly string[]; returns: string }> = {
    __errno_location: { args: [], returns: "ptr" },
  };
  for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
    signatures[name] = { args: FUNCTIONS[name].map((kind) => TYPES[kind]), returns: "i32" };
  }
  return ffi.dlopen(libcPath(), signatures);
}

/** By its path: Bun looks for a bare name that it cannot open in the current directory, which may be a bundle. */
function libcPath(): string {
  const mapped = /\/\S*\/(libc\.so\.6|ld-musl-\S+|libc\.musl-\S+)$/m.exec(readFileSync("/proc/self/maps", "utf8"));
  return mapped?.[0] ?? "/nonexistent/libc";
}

function toWord(ffi: BunFfi, arg: Arg, keep: NodeJS.TypedArray[]): number {
  if (typeof arg === "number") return arg;
  if (typeof arg === "string") return pointTo(ffi, Buffer.from(`${arg}\0`), keep);
  if (arg instanceof Uint8Array) return pointTo(ffi, arg, keep);
  const pointers = new BigUint64Array(arg.length + 1);
  for (const [i, text] of arg.entries()) pointers[i] = BigInt(pointTo(ffi, Buffer.from(`${text}\0`), keep));
  return pointTo(ffi, pointers, keep);
}

function pointTo(ffi: BunFfi, view: NodeJS.TypedArray, keep: NodeJS.TypedArray[]): number {
  keep.push(view);
  return ffi.ptr(view);
}
