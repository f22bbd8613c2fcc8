/** libc through koffi, for Node: 5 ms to load, so it is loaded at the first call and not before. */

import { createRequire } from "node:module";
import { type ArgKind, type Backend, FUNCTIONS, type FunctionName } from "./backend.ts";

/** The part of koffi that is used. */
interface Koffi {
  load(path: null): { func(name: string, returns: string, args: readonly string[]): (...args: unknown[]) => number };
  errno(): number;
}

const TYPES: Readonly<Record<ArgKind, string>> = {
  int: "int",
  long: "long",
  string: "const char *",
  strings: "const char **",
  bytes: "uint8_t *",
};
/** How many arguments of a C prototype are named, where the rest is `...`: some ABIs pass those elsewhere. */
const NAMED: Readonly<Partial<Record<FunctionName, number>>> = { fcntl: 2, prctl: 1, syscall: 1 };

export function koffiBackend(): Backend {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const libc = koffi.load(null); // the libc that the host itself runs on
  const functions = new Map<FunctionName, (...args: unknown[]) => number>();
  return {
    invoke(name, args) {
      const call = functions.get(name) ?? libc.func(name, "int", prototype(name));
      functions.set(name, call);
      const result = call(...withTypes(name, args.map(terminated)));
      return result === -1 ? -koffi.errno() : result;
    },
  };
}

function prototype(name: FunctionName): string[] {
  const types = FUNCTIONS[name].map((kind) => TYPES[kind]);
  const named = NAMED[name];
  return named === undefined ? types : [...types.slice(0, named), "..."];
}

/** koffi wants the type before each argument that stands for `...`. */
function withTypes(name: FunctionName, args: readonly unknown[]): unknown[] {
  const named = NAMED[name] ?? args.length;
  return args.flatMap((arg, i) => (i < named ? [arg] : [TYPES[FUNCTIONS[name][i] ?? "long"], arg]));
}

function terminated(arg: unknown): unknown {
  return Array.isArray(arg) ? [...arg, null] : arg;
}
