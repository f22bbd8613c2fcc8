/** Shared libraries beside libc, for the rare call that needs one: loaded when opened, with the host's own FFI. */

import { createRequire } from "node:module";
import process from "node:process";

/** `pointer`: memory of ours, or null; `u64`: a number, or a pointer that the library gave. All functions return int. */
export type NativeKind = "int" | "char" | "u64" | "pointer";
export type NativeArg = number | bigint | NodeJS.TypedArray | null;
export type NativeCall = (...args: readonly NativeArg[]) => number;

const BUN: Readonly<Record<NativeKind, string>> = { int: "i32", char: "i8", u64: "u64", pointer: "ptr" };
const KOFFI: Readonly<Record<NativeKind, string>> = { int: "int", char: "char", u64: "uint64_t", pointer: "void *" };

/**
 * Opens a library by its soname and looks the functions up. The current directory must be a safe one: Bun looks there
 * for what ld.so does not find.
 *
 * @throws Error of the FFI where library or function is missing
 */
export function openLibrary<Name extends string>(
  soname: string,
  functions: Readonly<Record<Name, readonly NativeKind[]>>,
): Readonly<Record<Name, NativeCall>> {
  return process.versions.bun === undefined ? openKoffi(soname, functions) : openBun(soname, functions);
}

interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): {
    readonly symbols: Readonly<Record<string, NativeCall>>;
  };
}

function openBun<Name extends string>(soname: string, functions: Readonly<Record<Name, readonly NativeKind[]>>) {
  const ffi = createRequire(import.meta.url)("bun:ffi") as BunFfi;
  const signatures: Record<string, { args: readonly string[]; returns: string }> = {};
  for (const name in functions) signatures[name] = { args: functions[name].map((kind) => BUN[kind]), returns: "i32" };
  return ffi.dlopen(soname, signatures).symbols as Record<Name, NativeCall>;
}

interface Koffi {
  load(path: string): { func(name: string, returns: string, args: readonly string[]): NativeCall };
}

function openKoffi<Name extends string>(soname: string, functions: Readonly<Record<Name, readonly NativeKind[]>>) {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const library = koffi.load(soname);
  const calls: Partial<Record<Name, NativeCall>> = {};
  for (const name in functions) {
    calls[name] = library.func(
      name,
      "int",
      functions[name].map((kind) => KOFFI[kind]),
    );
  }
  return calls as Record<Name, NativeCall>;
}
