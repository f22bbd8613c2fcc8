import { posix } from "node:path";
import type { Hierarchy } from "./facts.ts";

/**
 * The directory of a container's cgroup in a hierarchy. An absolute `cgroupsPath` starts at the mount point,
 * a relative one and the id start where runc starts them: v1 in the runtime's own cgroup, v2 beside it (a
 * cgroup that has processes cannot hand controllers to children), hybrid's cgroup2 at the mount point.
 * `..` never leads above the start.
 */
export function cgroupDirectory(
  hierarchy: Hierarchy,
  input: { readonly id: string; readonly cgroupsPath?: string | undefined },
  layout: "v1" | "v2" | "hybrid",
): string {
  const path = input.cgroupsPath === undefined || input.cgroupsPath === "" ? input.id : input.cgroupsPath;
  const inner = posix.normalize(`/${path}`);
  const start = path.startsWith("/") ? "/" : startOf(hierarchy, layout);
  return trim(posix.join(hierarchy.mount, start, inner));
}

/** Whether the directory is the mounted root itself: not a container's, and never to be removed. */
export function isMountRoot(hierarchy: Hierarchy, directory: string): boolean {
  return directory === hierarchy.mount;
}

/** The directories between a mount point and a cgroup below it, from above, without either. */
export function between(mount: string, directory: string): readonly string[] {
  const found: string[] = [];
  for (let at = posix.dirname(directory); at.length > mount.length; at = posix.dirname(at)) found.unshift(at);
  return found;
}

function startOf(hierarchy: Hierarchy, layout: "v1" | "v2" | "hybrid"): string {
  if (layout === "hybrid") return "/";
  const own = ownBelowMount(hierarchy);
  return layout === "v2" ? posix.dirname(own) : own;
}

/** The runtime's cgroup as a path below the mount point; "/" where it lies outside of what is mounted. */
function ownBelowMount({ root, own }: Hierarchy): string {
  // A cgroup namespace shows what lies above its root as `/..`.
  if (own.startsWith("/..")) return "/";
  if (root === "/" || root.startsWith("/..")) return own;
  if (own.startsWith(`${root}/`)) return own.slice(root.length);
  return "/";
}

function trim(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
