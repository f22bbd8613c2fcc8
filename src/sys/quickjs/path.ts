/** `node:path` of POSIX. What need not be changed is found out first, since nearly all paths are such, and a verb joins many. */
import process from "./process.ts";

/** Whether normalization may change it: empty components and dots. */
function changes(path: string): boolean {
  if (path.includes("//") || path.includes("/.")) return true;
  return path.startsWith(".") && (path === "." || path.startsWith("./") || path.startsWith(".."));
}

/** The components without `.`, and with `..` only where `keepsParents` and nothing is left for it to remove. */
function components(path: string, keepsParents: boolean): string[] {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (keepsParents) kept.push(part);
  }
  return kept;
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}

export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

export function normalize(path: string): string {
  if (path !== "" && !changes(path)) return path;
  const absolute = isAbsolute(path);
  const kept = components(path, !absolute).join("/");
  const end = path.endsWith("/") && kept !== "" ? "/" : "";
  if (absolute) return `/${kept}${end}`;
  if (kept !== "") return kept + end;
  return path.endsWith("/") ? "./" : ".";
}

export function basename(path: string, suffix = ""): string {
  const whole = withoutSlashes(path);
  if (whole === "" && suffix !== "") return path.length < suffix.length ? "" : path; // so does Node
  const base = whole.slice(whole.lastIndexOf("/") + 1);
  return base !== suffix && base.endsWith(suffix) ? base.slice(0, base.length - suffix.length) : base;
}

export function dirname(path: string): string {
  const whole = withoutSlashes(path);
  const slash = whole.lastIndexOf("/");
  if (slash < 0) return isAbsolute(path) ? "/" : ".";
  // Node keeps two slashes at the start, which POSIX lets a system give a meaning.
  if (slash === 1 && isAbsolute(path)) return "//";
  return slash === 0 ? "/" : whole.slice(0, slash);
}

export function extname(path: string): string {
  const base = basename(path);
  const dot = base.lastIndexOf(".");
  return dot <= 0 || base === ".." ? "" : base.slice(dot);
}

export function join(...parts: readonly string[]): string {
  let joined = "";
  for (const part of parts) {
    if (part === "") continue;
    if (joined === "") joined = part;
    else if (joined.endsWith("/")) joined += part.startsWith("/") ? part.slice(1) : part;
    else joined += part.startsWith("/") ? part : `/${part}`;
  }
  return normalize(joined);
}

export function resolve(...parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  if (isAbsolute(last) && !changes(last) && (last === "/" || !last.endsWith("/"))) return last;
  let path = "";
  for (let i = parts.length - 1; i >= 0 && !isAbsolute(path); i--) {
    const part = parts[i] as string;
    if (part !== "") path = path === "" ? part : `${part}/${path}`;
  }
  if (!isAbsolute(path)) path = `${process.cwd()}/${path}`;
  return `/${components(path, false).join("/")}`;
}

export function relative(from: string, to: string): string {
  const [start, end] = [components(resolve(from), false), components(resolve(to), false)];
  let common = 0;
  while (common < start.length && start[common] === end[common]) common++;
  return [...start.slice(common).map(() => ".."), ...end.slice(common)].join("/");
}

export const posix = { basename, dirname, extname, isAbsolute, join, normalize, relative, resolve };
