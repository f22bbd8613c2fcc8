import { expect, test } from "bun:test";
import {
  bindAttributes,
  classicFlags,
  type MountOptions,
  mountOptionNames,
  parseMountOptions,
} from "../../src/program/mount-options.ts";

const NONE = parseMountOptions([]);

/** What differs from no options at all. What was asked for is seen in what bindAttributes makes of it, below. */
function parsed(...options: string[]): Partial<MountOptions> {
  const all = { ...parseMountOptions(options), attributes: false, accessTimes: false };
  return Object.fromEntries(
    Object.entries(all).filter(([k, v]) => String(v) !== String(NONE[k as keyof MountOptions])),
  );
}

/** [to set, to clear], by include/uapi/linux/mount.h. */
const ATTRIBUTES: Readonly<Record<string, readonly [number, number]>> = {
  ro: [0x1, 0],
  rw: [0, 0x1],
  nosuid: [0x2, 0],
  suid: [0, 0x2],
  nodev: [0x4, 0],
  dev: [0, 0x4],
  noexec: [0x8, 0],
  exec: [0, 0x8],
  noatime: [0x10, 0x70],
  atime: [0, 0x70],
  relatime: [0, 0x70],
  norelatime: [0, 0x70],
  strictatime: [0x20, 0x70],
  nostrictatime: [0, 0x70],
  nodiratime: [0x80, 0],
  diratime: [0, 0x80],
  nosymfollow: [0x200000, 0],
  symfollow: [0, 0x200000],
};

/** By include/uapi/linux/mount.h. */
const PROPAGATION: Readonly<Record<string, number>> = {
  unbindable: 0x20000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
};

const SUPERBLOCK = ["sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime"];
const CLASSIC: Readonly<Record<string, number>> = { silent: 0x8000, iversion: 0x800000 };
const NOTHING = ["defaults", "loud", "noiversion"];
const WORDS: Readonly<Record<string, Partial<MountOptions>>> = {
  bind: { bind: true },
  rbind: { bind: true, recursive: true },
  remount: { remount: true },
  tmpcopyup: { copyUp: true },
  "src-nofollow": { sourceNofollow: true },
  "dest-nofollow": { destNofollow: true },
  "copy-symlink": { copySymlink: true },
};

function nonZero(bits: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(bits).filter(([, value]) => value !== 0));
}

test.each(Object.entries(ATTRIBUTES))("%s, and its recursive form", (name, [set, clear]) => {
  expect(parsed(name)).toEqual(nonZero({ set, clear }));
  expect(parsed(`r${name}`)).toEqual(nonZero({ recursiveSet: set, recursiveClear: clear }));
});

test.each(Object.entries(PROPAGATION))("%s, and its recursive form", (name, propagation) => {
  expect(parsed(name)).toEqual({ propagation });
  expect(parsed(`r${name}`)).toEqual({ propagation: propagation | 0x4000 });
});

test("words, flags of the superblock, flags of mount(2), and what says nothing", () => {
  for (const [name, change] of Object.entries(WORDS)) expect(parsed(name)).toEqual(change);
  for (const name of SUPERBLOCK) expect(parsed(name)).toEqual({ superblock: [name] });
  for (const [name, classic] of Object.entries(CLASSIC)) expect(parsed(name)).toEqual({ classic });
  for (const name of NOTHING) expect(parsed(name)).toEqual({});
  expect(parsed("idmap")).toEqual({ idmap: "idmap" });
  expect(parsed("ridmap")).toEqual({ idmap: "ridmap" });
});

test("these tables leave out no option that `features` names", () => {
  const attributes = Object.keys(ATTRIBUTES);
  const known = [
    ...attributes,
    ...attributes.map((name) => `r${name}`),
    ...Object.keys(PROPAGATION).flatMap((name) => [name, `r${name}`]),
    ...SUPERBLOCK,
    ...Object.keys(CLASSIC),
    ...NOTHING,
    ...Object.keys(WORDS),
  ];
  expect(mountOptionNames().filter((name) => !known.includes(name) && !name.endsWith("idmap"))).toEqual([]);
  expect(known.filter((name) => !mountOptionNames().includes(name))).toEqual([]);
});

test("the rest is for the file system, in order; empty words are not", () => {
  expect(parsed("size=1m", "", "mode=755", "rbogus")).toEqual({ data: ["size=1m", "mode=755", "rbogus"] });
});

test("the last one wins", () => {
  expect(parsed("ro", "rw")).toEqual({ clear: 1 });
  expect(parsed("rw", "ro")).toEqual({ set: 1 });
  expect(parsed("noatime", "strictatime")).toEqual({ set: 0x20, clear: 0x70 });
  expect(parsed("strictatime", "relatime")).toEqual({ clear: 0x70 });
  expect(parsed("rro", "rrw")).toEqual({ recursiveClear: 1 });
  expect(parsed("sync", "async")).toEqual({ superblock: ["async"] });
  expect(parsed("nolazytime", "lazytime", "lazytime")).toEqual({ superblock: ["lazytime"] });
  expect(parsed("silent", "iversion", "loud", "noiversion")).toEqual({});
  expect(parsed("shared", "rslave")).toEqual({ propagation: 0x84000 });
});

test("the bits that mount(2) has for them", () => {
  const flags = (...options: string[]) => classicFlags(parseMountOptions(options));
  expect(flags()).toBe(0);
  expect(flags("ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow")).toBe(1 | 2 | 4 | 8 | 2048 | 256);
  expect([flags("noatime"), flags("strictatime"), flags("relatime")]).toEqual([1024, 1 << 24, 0]);
  expect([flags("sync"), flags("dirsync"), flags("mand"), flags("lazytime")]).toEqual([16, 128, 64, 1 << 25]);
  expect(flags("silent", "iversion")).toBe(0x808000);
});

const BOOLEANS = 0x20000f;

/** [options, set, clear, implied]: what a bind mount does to the flags of its source. */
test.each<[string[], number, number, number]>([
  [[], 0, 0, 0],
  [["rprivate"], 0, 0, 0],
  [["ro"], 0x1, BOOLEANS & ~0x1, 0xe],
  [["rw"], 0, BOOLEANS, 0xe],
  [["nosuid", "dev"], 0x2, BOOLEANS & ~0x2, 0x9],
  [["atime"], 0, BOOLEANS, 0xf],
  [["norelatime"], 0, BOOLEANS, 0xf],
  [["relatime"], 0, BOOLEANS | 0xf0, 0xf],
  [["noatime"], 0x10, BOOLEANS | 0xf0, 0xf],
  [["nodiratime"], 0x80, BOOLEANS | 0x70, 0xf],
  [["nodiratime", "strictatime"], 0xa0, BOOLEANS | 0x70, 0xf],
])("a bind with %p sets %d, clears %d, of which nobody named %d", (options, set, clear, implied) => {
  expect(bindAttributes(parseMountOptions(["bind", ...options]))).toEqual({ set, clear, implied });
});

test("a name that every JavaScript object has is an option of the file system like any other", () => {
  expect(parseMountOptions(["constructor", "rtoString"])).toEqual({
    ...parseMountOptions([]),
    data: ["constructor", "rtoString"],
  });
});
