/** Paths of config.json: how they are spelled never changes what a field does. */
import * as path from "node:path";

/** What may have to be made plain: `//`, a part that begins with a dot, or a `/` at the end. */
const UNCLEAN = /\/(\/|\.|$)/;

/**
 * A path in the container: absolute, relative ones being taken from the root, without `.`, `..`, `//` and a `/` at the end.
 * As with runc, `..` takes back what is written before it.
 */
export function insidePath(text: string): string {
  return text.startsWith("/") && !UNCLEAN.test(text) ? text : path.posix.resolve("/", text);
}

/** A path of the host's without what says nothing at its end; where `..` leads to is for the kernel to say. */
export function hostPath(text: string): string {
  if (text === "" || !UNCLEAN.test(text)) return text;
  let end = text.length;
  while (text[end - 1] === "/" || (text[end - 1] === "." && text[end - 2] === "/")) end--;
  return text.slice(0, end) || "/";
}
