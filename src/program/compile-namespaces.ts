/** Namespaces: which are made, which are joined, and who is who in a user namespace (config-linux.md, "Namespaces"). */
import { TsruncError } from "../errors.ts";
import { hostPath } from "../spec/paths.ts";
import type { IDMapping, NamespaceType, Spec } from "../spec/types.ts";
import type { HostFacts } from "./input.ts";
import { literal, type Op, type OpOf, PID, TOKENS } from "./ops.ts";

/** Flags of clone(2), also the types of setns(2). */
export const CLONE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  time: 0x80,
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
};

/** A user namespace first: it gives the rights to the others. The mount namespace last: after it, host paths are gone. */
const JOIN_ORDER: readonly NamespaceType[] = ["user", "ipc", "uts", "network", "cgroup", "time", "mount"];

export interface Namespaces {
  readonly made: ReadonlySet<NamespaceType>;
  readonly joined: ReadonlyMap<NamespaceType, { readonly path: string; readonly at: string }>;
}

export function namespacesOf(spec: Spec): Namespaces {
  const made = new Set<NamespaceType>();
  const joined = new Map<NamespaceType, { readonly path: string; readonly at: string }>();
  for (const [i, ns] of (spec.linux?.namespaces ?? []).entries()) {
    if (ns.path === undefined || ns.path === "") made.add(ns.type);
    else joined.set(ns.type, { path: hostPath(ns.path), at: `/linux/namespaces/${i}` });
  }
  return { made, joined };
}

/** Whether the container has that kind of namespace apart from the host's. */
export function hasOwn(ns: Namespaces, type: NamespaceType): boolean {
  return ns.made.has(type) || ns.joined.has(type);
}

/** Slot of a namespace that is joined; -1 where it is not. */
export function joinedSlot(ns: Namespaces, type: NamespaceType): number {
  return [...ns.joined.keys()].indexOf(type);
}

export interface NamespaceOps {
  /** Launcher, before clone. */
  readonly open: readonly Op[];
  readonly clone: Op;
  /** Launcher, after clone: id maps and clock offsets. */
  readonly maps: readonly Op[];
  /** Init, before it waits for the launcher's maps. */
  readonly first: readonly Op[];
  /** Init, once the maps are written. */
  readonly enter: readonly Op[];
  /** Init, when nothing is left to do that takes the rights of the host. */
  readonly last: readonly Op[];
  /** Slot of the network namespace, where it is joined. */
  readonly network: number | undefined;
}

export function compileNamespaces(
  spec: Spec,
  ns: Namespaces,
  facts: HostFacts,
  into: string | undefined,
  listener: Pick<OpOf<"clone">, "helper" | "agent" | "agentState">,
): NamespaceOps {
  const open: Op[] = [];
  const slots = new Map<NamespaceType, number>();
  let next = 0;
  for (const [type, { path, at }] of ns.joined) {
    slots.set(type, next);
    open.push({
      op: "openNs",
      slot: next++,
      path: literal(path),
      type: CLONE_FLAGS[type],
      at,
      what: `${type} namespace`,
    });
  }
  return {
    open,
    clone: { ...cloneOp(ns, slots, into), ...listener, forks: ns.joined.has("pid") },
    maps: [...idMaps(spec, ns, facts), ...offsetOps(spec, ns)],
    first: firstOps(spec, ns),
    enter: enterOps(spec, ns, slots),
    last: lastOps(ns),
    network: slots.get("network"),
  };
}

function cloneOp(
  ns: Namespaces,
  slots: ReadonlyMap<NamespaceType, number>,
  into: string | undefined,
): Omit<OpOf<"clone">, "helper" | "agent" | "agentState" | "forks"> {
  let flags = 0;
  // A cgroup namespace shows the cgroup its maker is in, and a time namespace has to be given its offsets
  // before anybody is in it: both are made by init itself.
  // A pid namespace that is joined init enters last of all, as a child of its own: see the op fork.
  for (const type of ns.made) if (type !== "cgroup" && type !== "time") flags |= CLONE_FLAGS[type];
  return {
    op: "clone",
    flags,
    cgroup: into,
    userns: slots.get("user") ?? -1,
    at: "/linux/namespaces",
    what: "namespaces",
  };
}

function enterOps(spec: Spec, ns: Namespaces, slots: ReadonlyMap<NamespaceType, number>): Op[] {
  const ops: Op[] = [];
  const userJoined = slots.has("user");
  // init of a joined user namespace is born in it: its parent joined it first
  if (ns.made.has("user") || userJoined) {
    ops.push({
      op: "becomeRoot",
      groups: canSetGroups(spec, ns) && !keepsGroups(spec),
      at: "/linux/namespaces",
      what: "user namespace",
    });
  }
  for (const type of JOIN_ORDER) {
    const joined = ns.joined.get(type);
    const slot = slots.get(type);
    if (joined === undefined || slot === undefined) continue;
    if (type === "user") ops.push({ op: "closeSlot", slot });
    else ops.push({ op: "setns", slot, flags: CLONE_FLAGS[type], at: joined.at, what: `${type} namespace` });
  }
  if (ns.made.has("time")) ops.push({ op: "timens", ...TIME });
  return ops;
}

/** Only children become members of it, which is where they can be looked into. */
function lastOps(ns: Namespaces): Op[] {
  const joined = ns.joined.get("pid");
  if (joined === undefined) return [];
  const slot = joinedSlot(ns, "pid");
  return [{ op: "setns", slot, flags: CLONE_FLAGS.pid, at: joined.at, what: "pid namespace" }];
}

const TIME = { at: "/linux/timeOffsets", what: "time namespace" } as const;

function offsetsText(spec: Spec): string {
  const offsets = Object.entries(spec.linux?.timeOffsets ?? {});
  return offsets.map(([clock, o]) => `${clock} ${o?.secs ?? 0} ${o?.nanosecs ?? 0}\n`).join("");
}

function firstOps(spec: Spec, ns: Namespaces): Op[] {
  if (!ns.made.has("time")) return [];
  const made: Op = { op: "unshare", flags: CLONE_FLAGS.time, ...TIME };
  return offsetsText(spec) === "" ? [made] : [made, { op: "post", token: TOKENS.timed }];
}

/** By the launcher: they can be set only before anybody is in the namespace, and take rights that init may lack. */
function offsetOps(spec: Spec, ns: Namespaces): Op[] {
  const text = offsetsText(spec);
  if (!ns.made.has("time") || text === "") return [];
  return [
    { op: "await", token: TOKENS.timed },
    { op: "childWrite", file: "timens_offsets", text, ignore: [], ...TIME },
  ];
}

/** Without privileges the kernel wants `setgroups` denied before a gid map may be written (user_namespaces(7)). */
export function canSetGroups(spec: Spec, ns: Namespaces): boolean {
  if (!ns.made.has("user")) return true;
  const gids = spec.linux?.gidMappings ?? [];
  return !(gids.length === 1 && gids[0]?.size === 1);
}

/** crun's annotation, by which Podman's `--group-add keep-groups` asks for it. */
export function keepsGroups({ annotations = {} }: Spec): boolean {
  const value = annotations["run.oci.keep_original_groups"];
  return value !== undefined && value !== "0" && value !== "false";
}

export function mapText(mappings: readonly IDMapping[]): string {
  return mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");
}

/** Root writes any map; others only their own id, or they ask the setuid helpers. */
function idMaps(spec: Spec, ns: Namespaces, facts: HostFacts): Op[] {
  if (!ns.made.has("user")) return [];
  const uids = spec.linux?.uidMappings ?? [];
  const gids = spec.linux?.gidMappings ?? [];
  const privileged = facts.euid === 0;
  const ops: Op[] = [];
  const single = isSingle(uids, facts.euid) && isSingle(gids, facts.egid);
  if (privileged || single) {
    if (!privileged || !canSetGroups(spec, ns)) {
      ops.push({ op: "childWrite", file: "setgroups", text: "deny", ignore: ["ENOENT"], at: "/linux/gidMappings" });
    }
    return [...ops, mapWrite("uid", uids), mapWrite("gid", gids)];
  }
  return [helper("uid", uids, facts.newuidmap), helper("gid", gids, facts.newgidmap)];
}

function isSingle(mappings: readonly IDMapping[], id: number): boolean {
  return mappings.length === 1 && mappings[0]?.size === 1 && mappings[0].hostID === id;
}

function mapWrite(kind: "uid" | "gid", mappings: readonly IDMapping[]): Op {
  return {
    op: "childWrite",
    file: `${kind}_map`,
    text: mapText(mappings),
    ignore: [],
    at: `/linux/${kind}Mappings`,
    what: `${kind} map`,
  };
}

function helper(kind: "uid" | "gid", mappings: readonly IDMapping[], path: string | undefined): Op {
  const at = `/linux/${kind}Mappings`;
  if (path === undefined) {
    throw new TsruncError("unsupported", `map ${kind}s without privileges: \`new${kind}map\` is not installed`, {
      at,
      hint: "install the package `uidmap` (shadow-utils)",
    });
  }
  const args = mappings.flatMap((m) => [`${m.containerID}`, `${m.hostID}`, `${m.size}`]);
  return {
    op: "spawn",
    umask: 0o022,
    path,
    argv: [path, PID, ...args],
    env: [],
    home: false,
    input: "",
    timeoutMs: 10_000,
    warn: false,
    filter: new Uint8Array(0),
    filterFlags: 0,
    at,
    what: `new${kind}map`,
  };
}

/** What an id of the container's is on the host. */
export function hostId(mappings: readonly IDMapping[] | undefined, id: number): number | undefined {
  const found = mappings?.find((m) => m.containerID <= id && m.containerID + m.size > id);
  return found === undefined ? undefined : found.hostID + id - found.containerID;
}
