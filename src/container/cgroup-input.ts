/** What of a config and its host the container's cgroup depends on. */
import type { CgroupInput } from "../cgroups/types.ts";
import { hostId, namespacesOf } from "../program/compile-namespaces.ts";
import type { HostFacts } from "../program/input.ts";
import { MOUNT_ATTR_RDONLY, parseMountOptions } from "../program/mount-options.ts";
import { insidePath } from "../spec/paths.ts";
import type { Spec } from "../spec/types.ts";
import { type Context, isRootless } from "./context.ts";

export function cgroupInput(context: Context, id: string, spec: Spec, facts: HostFacts): CgroupInput {
  return {
    id,
    cgroupsPath: spec.linux?.cgroupsPath,
    resources: spec.linux?.resources,
    devices: spec.linux?.devices,
    annotations: spec.annotations,
    manager: context.cgroupManager,
    rootless: isRootless(context),
    skipDevices: facts.euid !== 0 || facts.inUserNamespace,
    ownerUid: cgroupOwner(spec, facts.euid),
  };
}

/**
 * config-linux.md, "Cgroup ownership": the user of the process, where the container can use it: with a cgroup namespace
 * of its own, that is mounted for writing. Undefined: nobody else than now.
 */
export function cgroupOwner(spec: Spec, euid: number): number | undefined {
  const ns = namespacesOf(spec);
  if (!ns.made.has("cgroup") || ns.joined.has("user") || !(spec.mounts ?? []).some(isWritableCgroup)) return undefined;
  const uid = spec.process?.user.uid ?? 0;
  const owner = ns.made.has("user") ? hostId(spec.linux?.uidMappings, uid) : uid;
  // Root owns what it makes; others can give nothing away.
  return euid === 0 && owner !== 0 ? owner : undefined;
}

function isWritableCgroup(mount: NonNullable<Spec["mounts"]>[number]): boolean {
  const isCgroup = mount.source === "cgroup" || mount.type === "cgroup" || mount.type === "cgroup2";
  if (!isCgroup || insidePath(mount.destination) !== "/sys/fs/cgroup") return false;
  return (parseMountOptions(mount.options ?? []).set & MOUNT_ATTR_RDONLY) === 0;
}
