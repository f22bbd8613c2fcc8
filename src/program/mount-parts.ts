/** What mounts of every kind share. */
import { TsruncError } from "../errors.ts";
import type { Spec } from "../spec/types.ts";
import type { CompileInput } from "./input.ts";
import { MOUNT_ATTR_RDONLY, MS_REC, MS_SHARED, parseMountOptions } from "./mount-options.ts";
import type { Op } from "./ops.ts";

/** MS_* flags of `linux.rootfsPropagation`; 0 where nothing is asked, which is, as with runc, a private root. */
export function rootPropagation(spec: Spec): number {
  const value = spec.linux?.rootfsPropagation ?? "";
  return value === "" ? 0 : parseMountOptions([value]).propagation;
}

/**
 * Whether mounts of the container's namespace stay in the groups of the host's until each is bound, for binds that are to
 * be shared with the host. As with runc: unless the root is to leave them with all that is below the host's.
 */
export function keepsPeers(propagation: number): boolean {
  return (propagation & MS_SHARED) !== 0 || (propagation !== 0 && (propagation & MS_REC) === 0);
}

/** `linux.mountLabel`. @throws TsruncError `unsupported` on a host without SELinux */
export function mountLabel({ spec, facts }: Pick<CompileInput, "spec" | "facts">): string | undefined {
  const label = spec.linux?.mountLabel ?? "";
  if (label === "" || facts.lsm.includes("selinux")) return label === "" ? undefined : label;
  throw new TsruncError("unsupported", `apply mount label \`${label}\`: selinux is not enabled on this host`, {
    at: "/linux/mountLabel",
  });
}

const UNCHANGED = { set: 0, clear: 0, recursiveSet: 0, recursiveClear: 0, propagation: 0, data: undefined } as const;

/** Makes a mount read-only that had to be written to before. */
export function readonlyOp(dest: string, at: string, what: string): Op {
  return { op: "remount", dest, ...UNCHANGED, set: MOUNT_ATTR_RDONLY, at, what };
}

export function propagationOp(dest: string, propagation: number, at: string, what: string): Op {
  return { op: "remount", dest, ...UNCHANGED, propagation, at, what };
}
