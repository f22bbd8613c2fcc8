/** `node:path` with a short way for the paths that need nothing done, which are nearly all: `join` is on every verb's way. */
// biome-ignore lint/style/useNodejsImportProtocol: under this name the bundler has its own
import * as polyfill from "path";

const { isAbsolute, relative, extname } = polyfill;

export { extname, isAbsolute, relative };

/** Whether normalization may change it: empty components and dots. */
function changes(path: string): boolean {
  if (path.includes("//") || path.includes("/.")) return true;
  return path.startsWith(".") && (path === "." || path.startsWith("./") || path.startsWith(".."));
}

export function normalize(path: string): string {
  const once = path.startsWith("//") ? `/${path.replace(/^\/+/, "")}` : path;
  return once === "" || changes(once) ? polyfill.normalize(once) : once;
}

export function basename(path: string, suffix?: string): string {
  if (path.endsWith("/") || suffix !== undefined) return polyfill.basename(path, suffix);
  return path.slice(path.lastIndexOf("/") + 1);
}

export function dirname(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 || path.endsWith("/") || path[slash - 1] === "/" ? polyfill.dirname(path) : path.slice(0, slash);
}

export function join(...parts: readonly string[]): string {
  let joined = "";
  for (const part of parts) {
    if (part === "") continue;
    if (joined === "") joined = part;
    else if (joined.endsWith("/")) joined += part.startsWith("/") ? part.slice(1) : part;
    else joined += part.startsWith("/") ? part : `/${part}`;
  }
  return joined === "" || changes(joined) ? polyfill.join(...parts) : joined;
}

export function resolve(...parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  const ready = last.startsWith("/") && !changes(last) && (last === "/" || !last.endsWith("/"));
  return ready ? last : polyfill.resolve(...parts);
}

export const posix = { basename, dirname, extname, isAbsolute, join, normalize, relative, resolve };
