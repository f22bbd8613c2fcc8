/** The container's root: what lies around and on top of `mounts`. */
import { append } from "../append.ts";
import { TsruncError } from "../errors.ts";
import { insidePath } from "../spec/paths.ts";
import type { Device, Spec } from "../spec/types.ts";
import { compileMounts, isBind, type MountEntry, mountEntries, sendsTrees } from "./compile-mounts.ts";
import { hasOwn, type Namespaces, namespacesOf } from "./compile-namespaces.ts";
import type { CompileInput } from "./input.ts";
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "./mount-options.ts";
import { keepsPeers, mountLabel, propagationOp, readonlyOp, rootPropagation } from "./mount-parts.ts";
import { MOUNT_FLAGS, type Op, type OpOf, PIVOT_MODES } from "./ops.ts";

/** linux/capability.h, as a bit. */
const CAP_MKNOD = 1n << 27n;
const S_IFCHR = 0o20000;
const S_IFBLK = 0o60000;
const S_IFIFO = 0o10000;

/** config-linux.md, "Default Devices": [name, major, minor]. */
const DEFAULT_DEVICES: readonly (readonly [string, number, number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];

/** runtime-linux.md, "Dev symbolic links". */
const DEV_LINKS: readonly (readonly [string, string])[] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
];

export interface RootfsOps {
  /** The root and how mounts below it propagate. */
  readonly root: readonly Op[];
  /** Up to the point where createContainer hooks run. */
  readonly prepare: readonly Op[];
  /** What then covers parts of it. Before the root is changed: afterwards the host's /dev/null is out of reach. */
  readonly cover: readonly Op[];
  readonly enter: readonly Op[];
  /** Once everything in the root is made: it may turn read-only and get its propagation. */
  readonly finish: readonly Op[];
  /** Launcher, after the end: mounts made in the host's mount namespace. */
  readonly leave: readonly Op[];
}

export function compileRootfs(input: CompileInput, ns: Namespaces): RootfsOps {
  const { spec } = input;
  const own = hasOwn(ns, "mount");
  const propagation = rootPropagation(spec);
  const root: Op[] = [{ op: "nullDevice" }];
  if (own && !keepsPeers(propagation)) {
    const flags = MS_REC | ((propagation & (MS_PRIVATE | MS_UNBINDABLE)) !== 0 ? MS_PRIVATE : MS_SLAVE);
    root.push({ op: "propagation", path: "/", flags, at: "/linux/rootfsPropagation" });
  }
  root.push({
    op: "root",
    path: input.rootfs,
    bind: own || spec.root?.readonly === true,
    ...(own ? rootGroups(propagation) : { parent: 0, propagation: 0 }),
    at: "/root/path",
    what: "rootfs",
  });
  const entries = mountEntries(spec.mounts ?? [], input.rootfs);
  const dev = needsDev(entries);
  const mounts = compileMounts(entries, input);
  const prepare = mounts.map((op) => (isWrittenTo(op, dev) ? writable(op) : op));
  append(prepare, dev ? devOps(input, ns) : devicesElsewhere(input, ns));
  prepare.push(...notifyMount(input, ns));
  return {
    root,
    prepare: own && keepsPeers(propagation) ? prepare.map((op) => regroup(op, propagation)) : prepare,
    cover: coverOps(spec, dev ? entries : [], mountLabel(input)),
    enter: enterOps(input, own, propagation),
    finish: finishOps(spec, own ? propagation : 0, entries),
    leave: leaveOps(input),
  };
}

/**
 * Where the container finds a socket that stands for the caller's $NOTIFY_SOCKET: a directory, as runc has it, for the
 * socket is made later. Read-only: it lies in the state directory, on a file system of the host's that it could fill.
 */
export const NOTIFY_DIRECTORY = "/run/notify";

function notifyMount(input: CompileInput, ns: Namespaces): Op[] {
  if (input.notifySocket === undefined || !hasOwn(ns, "mount")) return [];
  return [
    {
      op: "bind",
      source: `${input.stateDirectory}/notify`,
      dest: NOTIFY_DIRECTORY,
      recursive: false,
      set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
      clear: 0,
      implied: 0,
      recursiveSet: 0,
      recursiveClear: 0,
      propagation: 0,
      flags: sendsTrees(input) ? MOUNT_FLAGS.received : 0,
      idmap: -1,
      what: "notify socket",
    },
  ];
}

/** In a new root, and in a /dev of the container's own, more is made after them. */
function isWrittenTo(op: Op, dev: boolean): op is OpOf<"mount"> | OpOf<"bind"> {
  return (
    (op.op === "mount" && dev && op.dest === "/dev") || ((op.op === "mount" || op.op === "bind") && op.dest === "/")
  );
}

/** Read-only it turns when that is done. */
function writable(op: OpOf<"mount"> | OpOf<"bind">): Op {
  if (op.op === "bind") return { ...op, set: Number(op.set) & ~MOUNT_ATTR_RDONLY };
  // MS_RDONLY, where the mount is made by mount(2), is the same bit.
  const attr = Number(op.attr) & ~MOUNT_ATTR_RDONLY;
  return { ...op, attr, recursiveSet: Number(op.recursiveSet) & ~MOUNT_ATTR_RDONLY };
}

/** As runc: where the config brings the whole /dev of another place, it is left alone. */
function needsDev(entries: readonly MountEntry[]): boolean {
  return !entries.some((entry) => entry.dest === "/dev" && isBind(entry));
}

/** How the root's mount and those below it leave the groups of the host's; `parent` must not be shared. */
function rootGroups(propagation: number): { parent: number; propagation: number } {
  if (keepsPeers(propagation))
    return { parent: (propagation & MS_SLAVE) !== 0 ? MS_SLAVE : MS_PRIVATE, propagation: MS_SLAVE | MS_REC };
  // Slaves hear of the host's mounts, which a root does only if it is asked to.
  return { parent: 0, propagation: (propagation & MS_SLAVE) !== 0 ? 0 : MS_PRIVATE };
}

/** A source in a group of the host's stays there only where the bind, or else the root, is to be shared. */
function regroup(op: Op, root: number): Op {
  if (op.op !== "bind") return op;
  const asked = Number(op.propagation);
  if (((asked === 0 ? root : asked) & MS_SHARED) !== 0) return { ...op, flags: Number(op.flags) | MOUNT_FLAGS.peers };
  return asked === 0 ? { ...op, propagation: MS_SLAVE | MS_REC } : op;
}

/** Where the kernel makes none: in a user namespace, and for root without CAP_MKNOD (systemd's PrivateDevices=). */
function bindsDevices({ facts }: CompileInput, ns: Namespaces): boolean {
  const mayMake = facts.euid !== 0 || (facts.boundingSet & CAP_MKNOD) !== 0n;
  return hasOwn(ns, "user") || facts.inUserNamespace || !mayMake;
}

/** Devices may be anywhere; in a /dev that is another place's, making one would change that place. */
function devicesElsewhere(input: CompileInput, ns: Namespaces): Op[] {
  return (input.spec.linux?.devices ?? []).flatMap((device, i) =>
    `${insidePath(device.path)}/`.startsWith("/dev/") ? [] : [deviceOp(device, i, input, ns)],
  );
}

function devOps(input: CompileInput, ns: Namespaces): Op[] {
  const bind = bindsDevices(input, ns);
  const configured = new Set((input.spec.linux?.devices ?? []).map((d) => insidePath(d.path)));
  const ops: Op[] = [];
  for (const [name, major, minor] of DEFAULT_DEVICES) {
    const dest = `/dev/${name}`;
    if (configured.has(dest)) continue;
    const common = { op: "device", dest, type: S_IFCHR, major, minor, mode: 0o666, uid: 0, gid: 0 } as const;
    ops.push({ ...common, bind: bind ? dest : undefined, keep: true, received: false, what: dest });
  }
  for (const [i, device] of (input.spec.linux?.devices ?? []).entries()) ops.push(deviceOp(device, i, input, ns));
  ops.push({ op: "symlink", target: "pts/ptmx", dest: "/dev/ptmx", replace: true });
  for (const [target, dest] of DEV_LINKS) ops.push({ op: "symlink", target, dest, replace: false });
  // As runc: programs look for it there.
  if (input.facts.kcore) ops.push({ op: "symlink", target: "/proc/kcore", dest: "/dev/core", replace: false });
  return ops;
}

/** In a user namespace the kernel makes none: then the launcher does, or where it may not either, the host's are bound. */
function deviceOp(device: Device, i: number, input: CompileInput, ns: Namespaces): Op {
  const elsewhere = bindsDevices(input, ns) && device.type !== "p";
  const dest = insidePath(device.path);
  const type = device.type === "b" ? S_IFBLK : device.type === "p" ? S_IFIFO : S_IFCHR;
  return {
    op: "device",
    dest,
    type,
    major: device.type === "p" ? 0 : (device.major ?? 0),
    minor: device.type === "p" ? 0 : (device.minor ?? 0),
    mode: (device.fileMode ?? 0o666) & 0o7777,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    bind: elsewhere ? dest : undefined,
    keep: true,
    received: elsewhere && sendsTrees(input),
    at: `/linux/devices/${i}`,
    what: `devices[${i}] (${dest})`,
  };
}

function enterOps(input: CompileInput, own: boolean, propagation: number): Op[] {
  const mode = !own ? PIVOT_MODES.chroot : input.noPivot ? PIVOT_MODES.move : PIVOT_MODES.pivotRoot;
  if (mode === PIVOT_MODES.move && (propagation & MS_PRIVATE) !== 0) {
    throw new TsruncError("config", "`--no-pivot` cannot be used with a private rootfsPropagation", {
      at: "/linux/rootfsPropagation",
    });
  }
  return [{ op: "pivot", mode, at: "/root/path", what: "rootfs" }];
}

/**
 * Without a mount namespace there is a mount of the root's own if it is to be read-only; its propagation is the host's.
 * A slave or private root is that from the start; what is shared or unbindable could be neither pivoted to nor cloned.
 */
function finishOps(spec: Spec, propagation: number, entries: readonly MountEntry[]): Op[] {
  const readonly = readonlyRoot(spec, entries);
  const set = readonly === undefined ? 0 : MOUNT_ATTR_RDONLY;
  const spread = (propagation & (MS_SHARED | MS_UNBINDABLE)) !== 0 ? propagation : 0;
  if (set === 0 && spread === 0) return [];
  const at = readonly ?? "/linux/rootfsPropagation";
  const ops: Op[] = [{ op: "rootAttributes", set, propagation: spread, at, what: "rootfs" }];
  return (spread & MS_REC) !== 0 ? [...ops, ...ownPropagation(entries)] : ops;
}

function isReadonly({ options }: MountEntry): boolean {
  return ((options.set | options.recursiveSet) & MOUNT_ATTR_RDONLY) !== 0;
}

/** Which field asks for a read-only root: a mount on the root may be it. */
function readonlyRoot(spec: Spec, entries: readonly MountEntry[]): string | undefined {
  if (spec.root?.readonly === true) return "/root/readonly";
  const listed = (spec.linux?.readonlyPaths ?? []).findIndex((text) => insidePath(text) === "/");
  if (listed >= 0) return `/linux/readonlyPaths/${listed}`;
  const root = entries.findLast(({ dest, options }) => dest === "/" && !options.remount);
  return root !== undefined && isReadonly(root) ? root.at : undefined;
}

/** What a mount asks for itself comes before what the root says of all below it. What is covered by now needs neither. */
function ownPropagation(entries: readonly MountEntry[]): Op[] {
  const last = new Map(entries.filter((e) => e.options.propagation !== 0).map((e) => [e.dest, e]));
  return [...last.values()].map(({ dest, options: { propagation }, at, what }) => ({
    ...propagationOp(dest, propagation, at, what),
    quiet: true,
  }));
}

/** @param entries mounts that may be of a /dev that is to turn read-only now */
function coverOps(spec: Spec, entries: readonly MountEntry[], context: string | undefined): Op[] {
  const ops: Op[] = [];
  for (const entry of entries) {
    if (entry.dest === "/dev" && isReadonly(entry)) ops.push(readonlyOp(entry.dest, entry.at, entry.what));
  }
  const cover = (field: "readonlyPaths" | "maskedPaths", op: (dest: string, at: string, what: string) => Op) => {
    // Read-only, the root itself turns last, when its mount is the only one left to change.
    const seen = new Set(["/"]);
    for (const [i, text] of (spec.linux?.[field] ?? []).entries()) {
      const dest = insidePath(text);
      if (!seen.has(dest)) ops.push(op(dest, `/linux/${field}/${i}`, `${field}[${i}] (${dest})`));
      seen.add(dest);
    }
  };
  cover("readonlyPaths", (dest, at, what) => ({ op: "readonly", dest, at, what }));
  cover("maskedPaths", (dest, at, what) => ({ op: "mask", dest, context, at, what }));
  return ops;
}

/** Destinations of the mounts that are made in the host's mount namespace, and that someone has to take away. */
export function hostMounts(spec: Spec, rootfs: string): readonly string[] {
  if (hasOwn(namespacesOf(spec), "mount")) return [];
  const root = spec.root?.readonly === true ? ["/"] : [];
  return [...root, ...mountEntries(spec.mounts ?? [], rootfs).map(({ dest }) => dest)];
}

function leaveOps({ spec, rootfs }: CompileInput): Op[] {
  const paths = hostMounts(spec, rootfs);
  return paths.length === 0 ? [] : [{ op: "unmount", root: rootfs, paths, at: "/mounts" }];
}
