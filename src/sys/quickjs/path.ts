/** `node:path` with a short way for the paths that need nothing done, which are nearly all: `join` is on every verb's way. */
import * as polyfill from "path-of-bun";

const { basename, dirname, isAbsolute, relative, extname } = polyfill;
export { basename, dirname, extname, isAbsolute, relative };

/** What normalization would change: empty components, dots, and a slash at the end, which `resolve` takes away. */
const CHANGES = /\/\/|(^|\/)\.\.?(\/|$)|.\/$/;

export function normalize(path: string): string {
  return path === "" || CHANGES.test(path) ? polyfill.normalize(path) : path;
}

export function join(...parts: readonly string[]): string {
  const joined = parts.filter((part) => part !== "").join("/");
  return joined === "" || CHANGES.test(joined) ? polyfill.join(...parts) : joined;
}

export function resolve(...parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  return last.startsWith("/") && !CHANGES.test(last) ? last : polyfill.resolve(...parts);
}

export const sep = "/";
export const posix = { basename, dirname, extname, isAbsolute, join, normalize, relative, resolve, sep };
