/** What mounts of every kind share. */
import { TsruncError } from "../errors.ts";
import type { CompileInput } from "./input.ts";
import { MOUNT_ATTR_RDONLY } from "./mount-options.ts";
import type { Op } from "./ops.ts";

/** `linux.mountLabel`. @throws TsruncError `unsupported` on a host without SELinux */
export function mountLabel({ spec, facts }: Pick<CompileInput, "spec" | "facts">): string | undefined {
  const label = spec.linux?.mountLabel ?? "";
  if (label === "" || facts.lsm.includes("selinux")) return label === "" ? undefined : label;
  throw new TsruncError("unsupported", `apply mount label \`${label}\`: selinux is not enabled on this host`, {
    at: "/linux/mountLabel",
  });
}

/** Makes a mount read-only that had to be written to before. */
export function readonlyOp(dest: string, at: string, what: string): Op {
  const nothing = { clear: 0, recursiveSet: 0, recursiveClear: 0, propagation: 0, data: undefined } as const;
  return { op: "remount", dest, set: MOUNT_ATTR_RDONLY, ...nothing, at, what };
}
