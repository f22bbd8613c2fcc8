/** A mount of type `cgroup`: what the container sees depends on the host's hierarchy, not on its version in config.json. */
import type { CgroupFacts, Hierarchy } from "../cgroups/facts.ts";
import { TsruncError } from "../errors.ts";
import type { MountEntry } from "./compile-mounts.ts";
import { hasOwn, namespacesOf } from "./compile-namespaces.ts";
import type { CompileInput } from "./input.ts";
import { MOUNT_ATTR_RDONLY } from "./mount-options.ts";
import { mountLabel, readonlyOp } from "./mount-parts.ts";
import { MOUNT_FLAGS, type Op } from "./ops.ts";

export function compileCgroupMount(entry: MountEntry, input: CompileInput, facts: CgroupFacts): Op[] {
  refuseUnknown(entry);
  if (facts.mode === "v2" || entry.mount.type === "cgroup2") return unifiedMount(entry, input, facts);
  return facts.mode === "none" ? [] : v1Mounts(entry, input, facts);
}

/** What the kernel takes with one version of cgroups or the other (cgroup-v1/cgroups.rst, cgroup-v2.rst). */
const OPTIONS =
  /^(nsdelegate|favordynmods|nofavordynmods|memory_(localevents|recursiveprot|hugetlb_accounting)|pids_localevents|xattr|noprefix|clone_children|cpuset_v2_mode|none|all|(name|release_agent)=.*)$/;

/** Where the host's own mount is shown its options stay what they are; but what is none at all is not passed over. */
function refuseUnknown({ options, at, what }: MountEntry): void {
  const unknown = options.data.find((option) => !OPTIONS.test(option));
  if (unknown === undefined) return;
  throw new TsruncError("config", `${what}: cgroups have no mount option \`${unknown}\``, { at: `${at}/options` });
}

interface Attributes {
  readonly set: number;
  readonly propagation: number;
}

/**
 * Without a cgroup namespace the host's tree is shown: in a user namespace never writable (CVE-2023-25809), be it one of the
 * container or that of a rootless engine, whose owner may write there.
 */
function attributesOf(entry: MountEntry, input: CompileInput): Attributes {
  const ns = namespacesOf(input.spec);
  const confined = hasOwn(ns, "user") || input.facts.inUserNamespace || input.facts.euid !== 0;
  const exposed = !hasOwn(ns, "cgroup") && confined;
  const { recursiveSet, recursiveClear, propagation } = entry.options;
  // Each is a mount of its own with nothing below it.
  const set = (entry.options.set & ~recursiveClear) | recursiveSet;
  return { set: exposed ? set | MOUNT_ATTR_RDONLY : set, propagation };
}

function flagsOf({ options, dest: own }: MountEntry, dest: string): number {
  return (options.destNofollow && dest === own ? MOUNT_FLAGS.nofollow : 0) | (dest === "/" ? MOUNT_FLAGS.root : 0);
}

function newInstance(entry: MountEntry, type: string, dest: string, params: readonly string[], a: Attributes): Op {
  const { at, what } = entry;
  const common = { op: "mount", type, dest, params, at, what } as const;
  return {
    ...common,
    source: type,
    attr: a.set,
    propagation: a.propagation,
    recursiveSet: 0,
    recursiveClear: 0,
    flags: flagsOf(entry, dest),
    pidns: -1,
  };
}

/** Of the one mount, and nothing below it: so read-only is a matter of that mount, which needs no Linux 5.12. */
function bindOf(entry: MountEntry, source: string, dest: string, a: Attributes): Op {
  const { at, what } = entry;
  const common = { op: "bind", source, dest, recursive: false, set: a.set, clear: 0, implied: 0, at, what } as const;
  return {
    ...common,
    recursiveSet: 0,
    recursiveClear: 0,
    propagation: a.propagation,
    flags: flagsOf(entry, dest),
    idmap: -1,
  };
}

function unifiedMount(entry: MountEntry, input: CompileInput, facts: CgroupFacts): Op[] {
  const a = attributesOf(entry, input);
  const mount = newInstance(entry, "cgroup2", entry.dest, entry.options.data, a);
  // Mounted from the initial cgroup namespace it would take this mount's options for the whole host (cgroup_root_flags).
  const own = hasOwn(namespacesOf(input.spec), "cgroup");
  if (!own && facts.v2 !== undefined) return [bindOf(entry, facts.v2.mount, entry.dest, a)];
  const source = input.cgroup.record.paths[""] ?? facts.v2?.mount;
  if (source === undefined) return [mount];
  // A user namespace without a cgroup namespace of its own may not mount it; its own cgroup can be bound.
  return [{ ...mount, orElse: "forbidden" }, bindOf(entry, source, entry.dest, a)];
}

function labelParams(input: CompileInput): string[] {
  const label = mountLabel(input);
  return label === undefined ? [] : [`context=${label}`];
}

function v1Mounts(entry: MountEntry, input: CompileInput, facts: CgroupFacts): Op[] {
  const { dest, at, what } = entry;
  const a = attributesOf(entry, input);
  const writable = { ...a, set: a.set & ~MOUNT_ATTR_RDONLY };
  const ops: Op[] = [newInstance(entry, "tmpfs", dest, ["mode=755", ...labelParams(input)], writable)];
  const own = hasOwn(namespacesOf(input.spec), "cgroup");
  for (const hierarchy of facts.v1) ops.push(...hierarchyOps(entry, input, hierarchy, own, a));
  if ((a.set & MOUNT_ATTR_RDONLY) !== 0) {
    ops.push(readonlyOp(dest, at, what));
  }
  return ops;
}

function hierarchyOps(entry: MountEntry, input: CompileInput, h: Hierarchy, own: boolean, a: Attributes): Op[] {
  const name = h.mount.slice(h.mount.lastIndexOf("/") + 1);
  const dest = `${entry.dest}/${name}`;
  const found = h.controllers.map((c) => input.cgroup.record.paths[c]).find((p) => p !== undefined);
  const ops = [own ? newInstance(entry, "cgroup", dest, h.controllers, a) : bindOf(entry, found ?? h.mount, dest, a)];
  for (const c of h.controllers) {
    if (c === name || c.startsWith("name=")) continue;
    ops.push({ op: "symlink", target: name, dest: `${entry.dest}/${c}`, replace: false, at: entry.at });
  }
  return ops;
}
