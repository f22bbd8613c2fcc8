/** `mounts` of config.json as ops (config.md, "Mounts"). */
import * as path from "node:path";
import type { CgroupFacts } from "../cgroups/facts.ts";
import { TsruncError } from "../errors.ts";
import { isBindMount } from "../spec/mount-words.ts";
import { hostPath, insidePath } from "../spec/paths.ts";
import type { IDMapping, Mount, Spec } from "../spec/types.ts";
import { compileCgroupMount } from "./compile-cgroup-mount.ts";
import { hasOwn, hostId, joinedSlot, mapText, namespacesOf } from "./compile-namespaces.ts";
import type { CompileInput } from "./input.ts";
import {
  bindAttributes,
  classicFlags,
  MOUNT_ATTR_RDONLY,
  MOUNT_BOOLEANS,
  type MountOptions,
  parseMountOptions,
} from "./mount-options.ts";
import { mountLabel } from "./mount-parts.ts";
import { MOUNT_FLAGS, type Op, type OpOf, TOKENS } from "./ops.ts";

/** File systems with no store behind them: read-only is a matter of the mount there, not of a shared superblock. */
const VIRTUAL = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs"];

/** Files of procfs that lxcfs and the like put their own over; nothing else may be hidden there. */
const PROC_FILES = [
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/net/dev",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/ns_last_pid",
];

export interface MountEntry {
  readonly mount: Mount;
  readonly options: MountOptions;
  readonly dest: string;
  readonly at: string;
  readonly what: string;
}

/** Where a mount goes; as with runc, a destination may be written as the host sees it. */
export function destinationOf({ destination }: Mount, rootfs: string): string {
  const wanted = insidePath(destination);
  if (rootfs === "/" || !wanted.startsWith(rootfs)) return wanted;
  return wanted === rootfs ? "/" : wanted[rootfs.length] === "/" ? wanted.slice(rootfs.length) : wanted;
}

export function mountEntries(mounts: readonly Mount[], rootfs: string): MountEntry[] {
  return mounts.map((mount, i) => {
    const dest = destinationOf(mount, rootfs);
    const options = parseMountOptions(mount.options ?? []);
    return { mount, options, dest, at: `/mounts/${i}`, what: `mounts[${i}] (${dest})` };
  });
}

export function compileMounts(entries: readonly MountEntry[], input: CompileInput): Op[] {
  return entries.flatMap((entry) => compileMount(entry, input));
}

export function isBind({ mount, options }: MountEntry): boolean {
  return options.bind || isBindMount(mount);
}

function compileMount(entry: MountEntry, input: CompileInput): Op[] {
  const { mount, options, dest, at, what } = entry;
  if (hasIdmap(entry)) checkIdmap(entry, input);
  refuseMisplaced(entry);
  if (options.remount) return [remountOp(entry)];
  if (isBind(entry)) return [bindOp(entry, input)];
  const { type } = mount;
  if (type === undefined || type === "") {
    throw new TsruncError("config", `${what}: neither a type nor the option \`bind\``, { at });
  }
  if (type === "cgroup" || type === "cgroup2")
    return compileCgroupMount(entry, input, input.facts.cgroup as CgroupFacts);
  if (dest === "/proc" && type !== "proc") {
    throw new TsruncError("config", `${what}: \`${type}\` cannot be mounted on \`/proc\``, {
      at,
      hint: "only type `proc`, or a bind mount of a procfs, may be there",
    });
  }
  if (type === "sysfs") return sysfsOps(entry, input);
  // As runc: their files have labels of their own.
  const pidns = type === "proc" ? joinedSlot(namespacesOf(input.spec), "pid") : -1;
  return [newMountOp(entry, type, type === "proc" ? undefined : mountLabel(input), pidns)];
}

/**
 * Root of a user namespace may mount a sysfs only where the network namespace is its own: else, as crun does it, the host's
 * is shown, if it is to be read-only, with all that is mounted in it.
 */
function sysfsOps(entry: MountEntry, input: CompileInput): Op[] {
  const mount = newMountOp(entry, "sysfs", undefined);
  const ns = namespacesOf(input.spec);
  const { options, dest, at, what } = entry;
  const readonly = ((options.set | options.recursiveSet) & MOUNT_ATTR_RDONLY) !== 0;
  if (!readonly || ns.made.has("network") || !(hasOwn(ns, "user") || input.facts.inUserNamespace)) return [mount];
  const bind = { op: "bind", source: "/sys", dest, recursive: true, set: 0, clear: 0, implied: 0, idmap: -1 } as const;
  const later = {
    recursiveSet: (options.set | options.recursiveSet) & MOUNT_BOOLEANS,
    recursiveClear: 0,
    propagation: options.propagation,
  };
  return [
    { ...mount, orElse: "forbidden" },
    { ...bind, ...later, flags: commonFlags(entry) | MOUNT_FLAGS.plain, at, what },
  ];
}

/** What would be without effect. As runc since 1.2: options of the file system are not a bind mount's to change. */
function refuseMisplaced(entry: MountEntry): void {
  const { mount, options, at, what } = entry;
  const refuse = (message: string): never => {
    throw new TsruncError("config", `${what}: ${message}`, { at: `${at}/options` });
  };
  const bind = isBind(entry);
  if (bind && options.data.length > 0) refuse(`a bind mount takes no options of a file system: \`${options.data[0]}\``);
  if (options.copyUp && (bind || mount.type !== "tmpfs")) refuse("`tmpcopyup` is for type `tmpfs`");
  if (options.copySymlink && (options.sourceNofollow || options.destNofollow))
    refuse("`copy-symlink` excludes `src-nofollow` and `dest-nofollow`");
  if (!bind && (options.copySymlink || options.sourceNofollow))
    refuse(`\`${options.copySymlink ? "copy-symlink" : "src-nofollow"}\` is for bind mounts`);
}

function hasIdmap({ mount, options }: MountEntry): boolean {
  return options.idmap !== undefined || mount.uidMappings !== undefined || mount.gidMappings !== undefined;
}

/** config.md, "Mounts": `uidMappings` and `gidMappings`; config-linux.md: `idmap` and `ridmap`. */
function checkIdmap(entry: MountEntry, input: CompileInput): void {
  const { mount, at, what } = entry;
  if (input.facts.euid !== 0) {
    throw new TsruncError("unsupported", `${what}: id-mapped mounts need root`, { at });
  }
  if (!isBind(entry)) throw new TsruncError("unsupported", `${what}: only bind mounts can be id-mapped`, { at });
  const maps = [mount.uidMappings ?? [], mount.gidMappings ?? []];
  if (maps.every((map) => map.length > 0)) return;
  if (maps.some((map) => map.length > 0)) {
    throw new TsruncError("config", `${what}: \`uidMappings\` and \`gidMappings\` must be given together`, { at });
  }
  if (hasOwn(namespacesOf(input.spec), "user")) return;
  throw new TsruncError("config", `${what}: an id-mapped mount needs mappings of its own or a user namespace`, { at });
}

function idmapOperands(mount: Mount | undefined): Pick<OpOf<"sendTree">, "idmap" | "uidMap" | "gidMap"> {
  const text = (map: readonly IDMapping[] | undefined) =>
    map === undefined || map.length === 0 ? undefined : mapText(map);
  const { idmap } = parseMountOptions(mount?.options ?? []);
  const wanted = idmap !== undefined || mount?.uidMappings !== undefined || mount?.gidMappings !== undefined;
  const uidMap = text(mount?.uidMappings);
  return { idmap: !wanted ? 0 : idmap === "ridmap" ? 2 : 1, uidMap, gidMap: text(mount?.gidMappings) };
}

function commonFlags(entry: MountEntry): number {
  const { options, dest } = entry;
  return (
    (options.destNofollow ? MOUNT_FLAGS.nofollow : 0) |
    (options.sourceNofollow ? MOUNT_FLAGS.sourceNofollow : 0) |
    (options.copySymlink ? MOUNT_FLAGS.copySymlink : 0) |
    (dest === "/" ? MOUNT_FLAGS.root : 0) |
    (PROC_FILES.includes(dest) ? MOUNT_FLAGS.allowProc : 0)
  );
}

function newMountOp(entry: MountEntry, type: string, label: string | undefined, pidns = -1): Op {
  const { mount, options, dest, at, what } = entry;
  let flags = commonFlags(entry);
  // These are the kernel's own interfaces: through a link of the image they would be somewhere else (CVE-2019-19921).
  if (type === "proc" || type === "sysfs") flags |= MOUNT_FLAGS.plain | MOUNT_FLAGS.allowProc;
  const readonly = (options.set & MOUNT_ATTR_RDONLY) !== 0;
  const params = [...options.superblock, ...options.data];
  if (readonly && !VIRTUAL.includes(type)) params.unshift("ro");
  if (label !== undefined) params.push(`context=${label}`);
  // The source of a virtual file system is a mere name.
  const source = mount.source ?? type;
  const copyUp = options.copyUp && type === "tmpfs";
  if (copyUp) flags |= MOUNT_FLAGS.copyUp;
  // As runc: a tmpfs over a directory of the image is as open as that directory.
  if (type === "tmpfs" && !copyUp && !options.data.some((d) => d.startsWith("mode="))) flags |= MOUNT_FLAGS.inheritMode;
  const base = { op: "mount", type, dest, pidns, at, what } as const;
  const set = copyUp ? options.set & ~MOUNT_ATTR_RDONLY : options.set;
  const later = {
    propagation: options.propagation,
    recursiveSet: options.recursiveSet | (copyUp && readonly ? MOUNT_ATTR_RDONLY : 0),
    recursiveClear: options.recursiveClear,
  };
  // With mount(2) it would be a procfs of init's own pid namespace. Flags of mount(2) mean nothing to it.
  if (pidns >= 0) return { ...base, source, params: params.flatMap((p) => p.split(",")), attr: set, ...later, flags };
  if (options.classic === 0 && !params.some(isLong) && !options.data.some(hasSyntax))
    return { ...base, source, params, attr: set, ...later, flags };
  // mount(2) takes a comma within quotes only; labels of processes and files have some.
  const data = [...options.data, ...(label === undefined ? [] : [`context="${label}"`])].join(",");
  if (data.length < MOUNT_DATA) {
    const attr = classicFlags({ ...options, set });
    return { ...base, source, params: data === "" ? [] : [data], attr, ...later, flags: flags | MOUNT_FLAGS.classic };
  }
  if (type === "overlay") return { ...base, source, params: params.flatMap(overlayLayers), attr: set, ...later, flags };
  throw new TsruncError(
    "config",
    `${what}: the options take ${data.length} bytes, and a page is all that mount(2) takes`,
    {
      at: `${at}/options`,
    },
  );
}

/** A page, with the NUL. */
const MOUNT_DATA = 4096;

/** fsconfig(2) takes values of up to 255 bytes. Nor does it take every flag of mount(2). */
function isLong(param: string): boolean {
  return param.length - param.indexOf("=") > 255;
}

/** Quotes and escapes are of mount(2); fsconfig(2) knows none. */
function hasSyntax(option: string): boolean {
  return /[,"\\]/.test(option);
}

/** Since Linux 6.7 overlayfs takes its layers one by one, unescaped: so they may be more than a page. */
function overlayLayers(param: string): string[] {
  if (!param.startsWith("lowerdir=")) return [param.replaceAll(/\\(.)/g, "$1")];
  const layers = param.slice("lowerdir=".length).match(/(?:\\.|[^:\\])+/g) ?? [];
  return layers.map((layer) => `lowerdir+=${layer.replaceAll(/\\(.)/g, "$1")}`);
}

function bindOp(entry: MountEntry, input: CompileInput): Op {
  const { mount, options, dest, at, what } = entry;
  if (mount.source === undefined || mount.source === "") {
    throw new TsruncError("config", `${what}: a bind mount needs a source`, { at: `${at}/source` });
  }
  return {
    op: "bind",
    source: sourceOf(mount.source, input.bundle),
    dest,
    recursive: options.recursive || mount.type === "rbind",
    ...bindAttributes(options),
    recursiveSet: options.recursiveSet,
    recursiveClear: options.recursiveClear,
    propagation: options.propagation,
    flags: commonFlags(entry) | (sendsTrees(input) || hasIdmap(entry) ? MOUNT_FLAGS.received : 0),
    idmap: -1,
    at,
    what,
  };
}

function sourceOf(source: string, bundle: string): string {
  return hostPath(source.startsWith("/") ? source : path.posix.join(bundle, source));
}

/** Root of a user namespace may not reach all that root of the host can: then the launcher opens the sources. */
export function sendsTrees({ spec, facts }: CompileInput): boolean {
  return facts.euid === 0 && hasOwn(namespacesOf(spec), "user");
}

/** Init asks for each tree when it comes to it: the source may be a mount that it has made before. */
export function askForTrees(init: readonly Op[]): readonly Op[] {
  if (!init.some(isReceived)) return init;
  return init.flatMap((op): Op[] => (isReceived(op) ? [{ op: "post", token: TOKENS.tree }, op] : [op]));
}

function isReceived(op: Op): op is OpOf<"bind"> | OpOf<"device"> {
  return op.op === "device" ? op.received : op.op === "bind" && (Number(op.flags) & MOUNT_FLAGS.received) !== 0;
}

/** What the launcher does for init's binds and devices, in their order. */
export function sendTreeOps(init: readonly Op[], { spec }: CompileInput): Op[] {
  return init.filter(isReceived).flatMap((op): Op[] => {
    const place = {
      ...(op.at === undefined ? {} : { at: op.at }),
      ...(op.what === undefined ? {} : { what: op.what }),
    };
    const ask: Op = { op: "await", token: TOKENS.tree };
    return [ask, { ...(op.op === "device" ? sendDevice(op, spec) : sendTree(op, spec)), ...place }];
  });
}

function sendTree(op: OpOf<"bind">, spec: Spec): Op {
  const nofollow = (Number(op.flags) & (MOUNT_FLAGS.sourceNofollow | MOUNT_FLAGS.copySymlink)) !== 0;
  const idmap = idmapOperands(spec.mounts?.[Number(/^\/mounts\/(\d+)$/.exec(op.at ?? "")?.[1])]);
  return { op: "sendTree", path: op.source, recursive: op.recursive, nofollow, ...idmap };
}

/** Its owner is one of the container's; where nobody is mapped to it, the host's root, whom nobody is in there. */
function sendDevice(op: OpOf<"device">, { linux }: Spec): Op {
  const { type, major, minor, mode, dest: path } = op;
  const uid = hostId(linux?.uidMappings, Number(op.uid)) ?? -1;
  const gid = hostId(linux?.gidMappings, Number(op.gid)) ?? -1;
  return { op: "sendDevice", path, type, major, minor, mode, uid, gid };
}

function remountOp(entry: MountEntry): Op {
  const { options, dest, at, what } = entry;
  const { set, clear, recursiveSet, recursiveClear, propagation } = options;
  const data = [...options.superblock, ...options.data].join(",") || undefined;
  return { op: "remount", dest, set, clear, recursiveSet, recursiveClear, propagation, data, at, what };
}
