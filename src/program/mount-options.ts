/** The options of `mounts` (config.md, "Mounts"; config-linux.md; mount(8)) as what the mount calls take. */

import { mountWords, SUPERBLOCK_OPTIONS } from "../spec/mount-words.ts";

export const MS_RDONLY = 1;
export const MS_REC = 0x4000;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;

export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
const MOUNT_ATTR__ATIME = 0x70;
const MOUNT_ATTR_NOATIME = 0x10;
const MOUNT_ATTR_STRICTATIME = 0x20;
const MOUNT_ATTR_NODIRATIME = 0x80;
const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

export const MOUNT_BOOLEANS =
  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

/** Per-mount attributes, as mount_setattr(2) takes them: [to set, to clear]. */
const ATTRIBUTES: Readonly<Record<string, readonly [number, number]>> = {
  ro: [MOUNT_ATTR_RDONLY, 0],
  rw: [0, MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR_NOSUID, 0],
  suid: [0, MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR_NODEV, 0],
  dev: [0, MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR_NOEXEC, 0],
  exec: [0, MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  // The three ways of updating access times exclude one another: setting one clears the field.
  noatime: [MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME],
  atime: [0, MOUNT_ATTR__ATIME],
  relatime: [0, MOUNT_ATTR__ATIME],
  // As with mount(2), where it is the absence of a flag: what the kernel then does is relatime again.
  norelatime: [0, MOUNT_ATTR__ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME],
  nostrictatime: [0, MOUNT_ATTR__ATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
};

const ACCESS_TIMES = ["noatime", "relatime", "strictatime", "nodiratime"];

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

/**
 * Flags that only mount(2) has a bit for, and those that say what is the case anyway. `acl` is none: the kernel sets that
 * bit itself, and the file systems that can do without have an option of their own.
 */
const CLASSIC: Readonly<Record<string, number>> = { iversion: 1 << 23, silent: 1 << 15 };
const NOT_CLASSIC: Readonly<Record<string, number>> = { noiversion: 1 << 23, loud: 1 << 15 };
const NOTHING = ["defaults"];
/** Names that take each other back. */
const OPPOSITES: Readonly<Record<string, string>> = {
  sync: "async",
  async: "sync",
  mand: "nomand",
  nomand: "mand",
  lazytime: "nolazytime",
  nolazytime: "lazytime",
};

export interface MountOptions {
  readonly bind: boolean;
  readonly recursive: boolean;
  readonly remount: boolean;
  readonly set: number;
  readonly clear: number;
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  /** Some attribute is asked for, be it one to clear. */
  readonly attributes: boolean;
  /** A way of updating access times is asked for; to ask only that one be off does not count. */
  readonly accessTimes: boolean;
  /** MS_* propagation flag, with MS_REC; 0: as it is. */
  readonly propagation: number;
  /** `sync` and the like. */
  readonly superblock: readonly string[];
  /** MS_* bits that only mount(2) takes. */
  readonly classic: number;
  /** What is left: options of the file system. */
  readonly data: readonly string[];
  readonly copyUp: boolean;
  readonly idmap: "idmap" | "ridmap" | undefined;
  readonly sourceNofollow: boolean;
  readonly destNofollow: boolean;
  readonly copySymlink: boolean;
}

type Mutable = { -readonly [K in keyof MountOptions]: MountOptions[K] } & { superblock: string[]; data: string[] };
type Effect = (o: Mutable) => unknown;

const WORDS: Readonly<Record<string, Effect>> = {
  bind: (o) => {
    o.bind = true;
  },
  rbind: (o) => {
    o.bind = true;
    o.recursive = true;
  },
  remount: (o) => {
    o.remount = true;
  },
  tmpcopyup: (o) => {
    o.copyUp = true;
  },
  idmap: (o) => {
    o.idmap = "idmap";
  },
  ridmap: (o) => {
    o.idmap = "ridmap";
  },
  "src-nofollow": (o) => {
    o.sourceNofollow = true;
  },
  "dest-nofollow": (o) => {
    o.destNofollow = true;
  },
  "copy-symlink": (o) => {
    o.copySymlink = true;
  },
};

let effects: ReadonlyMap<string, Effect> | undefined;

/** What each option does that is not passed to the file system. */
function allEffects(): ReadonlyMap<string, Effect> {
  effects ??= new Map([
    ...Object.entries(WORDS),
    ...Object.entries(ATTRIBUTES).flatMap(attributeEffects),
    ...Object.entries(PROPAGATION).map(propagationEffect),
    ...Object.entries(CLASSIC).map(classicEffect),
    ...Object.entries(NOT_CLASSIC).map(notClassicEffect),
    ...SUPERBLOCK_OPTIONS.map(superblockEffect),
    ...NOTHING.map((name): [string, Effect] => [name, () => undefined]),
  ]);
  return effects;
}

function propagationEffect([name, flags]: [string, number]): [string, Effect] {
  return [
    name,
    (o) => {
      o.propagation = flags;
    },
  ];
}

function classicEffect([name, flag]: [string, number]): [string, Effect] {
  return [
    name,
    (o) => {
      o.classic |= flag;
    },
  ];
}

function notClassicEffect([name, flag]: [string, number]): [string, Effect] {
  return [
    name,
    (o) => {
      o.classic &= ~flag;
    },
  ];
}

function superblockEffect(name: string): [string, Effect] {
  return [
    name,
    (o) => {
      o.superblock = [...o.superblock.filter((held) => held !== name && held !== OPPOSITES[name]), name];
    },
  ];
}

/** An attribute of one mount, and the same for all below it. */
function attributeEffects([name, [set, clear]]: [string, readonly [number, number]]): [string, Effect][] {
  const isAccessTime = ACCESS_TIMES.includes(name);
  return [
    [
      name,
      (o) => {
        o.set = (o.set & ~clear) | set;
        o.clear = (o.clear & ~set) | clear;
        o.attributes = true;
        if (isAccessTime) o.accessTimes = true;
      },
    ],
    [
      `r${name}`,
      (o) => {
        o.recursiveSet = (o.recursiveSet & ~clear) | set;
        o.recursiveClear = (o.recursiveClear & ~set) | clear;
      },
    ],
  ];
}

/** Sorts the options of one mount; later ones win over earlier ones. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const o: Mutable = {
    bind: false,
    recursive: false,
    remount: false,
    set: 0,
    clear: 0,
    recursiveSet: 0,
    recursiveClear: 0,
    attributes: false,
    accessTimes: false,
    propagation: 0,
    superblock: [],
    classic: 0,
    data: [],
    copyUp: false,
    idmap: undefined,
    sourceNofollow: false,
    destNofollow: false,
    copySymlink: false,
  };
  const known = allEffects();
  for (const name of mountWords(options)) {
    const effect = known.get(name);
    if (effect !== undefined) effect(o);
    else if (name !== "") o.data.push(name);
  }
  return o;
}

/** Every option name that is not passed to the file system, sorted: `mountOptions` of `features`. */
export function mountOptionNames(): string[] {
  return [...allEffects().keys()].sort();
}

/**
 * What mount(2) makes of the options of a bind mount, as runc asks it to: with none, all stays as the source has it;
 * with any, the others are off, but for those of access times, which go together. `implied` are bits of `clear` that
 * nobody named: a mount that came into a user namespace keeps them where the kernel has locked them.
 */
export function bindAttributes(o: MountOptions): { set: number; clear: number; implied: number } {
  if (!o.attributes) return { set: 0, clear: 0, implied: 0 };
  const times = o.accessTimes ? MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME : 0;
  const set = o.set & (MOUNT_BOOLEANS | times);
  const clear = MOUNT_BOOLEANS & ~set;
  return {
    set,
    clear: clear | (times & (MOUNT_ATTR__ATIME | ~set)),
    implied: clear & ~o.clear & ~MOUNT_ATTR_NOSYMFOLLOW,
  };
}

const MS_BITS: readonly (readonly [number, number])[] = [
  [MOUNT_ATTR_RDONLY, MS_RDONLY],
  [MOUNT_ATTR_NOSUID, 2],
  [MOUNT_ATTR_NODEV, 4],
  [MOUNT_ATTR_NOEXEC, 8],
  [MOUNT_ATTR_NODIRATIME, 2048],
  [MOUNT_ATTR_NOSYMFOLLOW, 256],
];
const MS_SUPERBLOCK: Readonly<Record<string, number>> = { sync: 16, dirsync: 128, mand: 64, lazytime: 1 << 25 };

/** The flags of mount(2) for a new file system, where fsconfig(2) cannot take the options. */
export function classicFlags(o: MountOptions): number {
  let flags = o.classic;
  for (const [attr, ms] of MS_BITS) if ((o.set & attr) !== 0) flags |= ms;
  const atime = o.set & MOUNT_ATTR__ATIME;
  if (atime === MOUNT_ATTR_NOATIME) flags |= 1024;
  if (atime === MOUNT_ATTR_STRICTATIME) flags |= 1 << 24;
  for (const name of o.superblock) flags |= MS_SUPERBLOCK[name] ?? 0;
  return flags;
}
