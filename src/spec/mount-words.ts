/** The options of a mount as words: what validation and the compiler both have to tell apart. */
import type { Mount } from "./types.ts";

/** As with mount(8), one string may hold several options, separated by commas. */
export function mountWords(options: readonly string[] | undefined): readonly string[] {
  if (options === undefined) return [];
  return options.some((option) => option.includes(",")) ? options.flatMap(splitOption) : options;
}

/**
 * Commas belong to a value where they are escaped, as in directories of an overlay, or quoted, as in SELinux labels, and
 * in the list of nodes of tmpfs's `mpol` (tmpfs(5)).
 */
function splitOption(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "\\") i++;
    else if (char === '"') quoted = !quoted;
    else if (char === "," && !quoted && !(text.startsWith("mpol=", start) && /\d/.test(text[i + 1] ?? ""))) {
      words.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...words, text.slice(start)];
}

/** config.md: a mount is a bind mount if it has one of the options; runc and Docker also say so with the type. */
export function isBindMount(mount: Mount): boolean {
  if (mount.type === "bind" || mount.type === "rbind") return true;
  return mountWords(mount.options).some((word) => word === "bind" || word === "rbind");
}

/** Flags of a file system as a whole, by name. */
export const SUPERBLOCK_OPTIONS = ["sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime"];
