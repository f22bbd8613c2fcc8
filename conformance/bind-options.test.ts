/** What the options of a bind mount do to the flags of its source: config.md leaves it to mount(8) and to runtimes. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import type { Scope } from "./lib/harness.ts";
import { area, check } from "./lib/harness.ts";
import { useUserNamespace } from "./lib/spec.ts";

area();

/** Binds a tmpfs whose mount has `flags`, and returns what the container sees of the bind's. */
async function optionsOf(
  t: Scope,
  flags: string,
  options: readonly string[],
  mapped = false,
): Promise<readonly string[]> {
  const c = t.container((spec, self) => {
    if (mapped) useUserNamespace(spec);
    mkdirSync(self.file("source"));
    mkdirSync(self.inside("m"));
    spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["bind", ...options] });
  });
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", c.file("source")]);
  try {
    // On the mount, not on its superblock, which no bind can change.
    execFileSync("mount", ["--bind", "-o", `remount,${flags}`, c.file("source")]);
    return (await c.probe("report")).mount("/m")?.options ?? [];
  } finally {
    execFileSync("umount", [c.file("source")]);
  }
}

interface Row {
  readonly source: string;
  readonly options: readonly string[];
  readonly has: readonly string[];
  readonly hasNot: readonly string[];
}

const PLAIN: readonly Row[] = [
  { source: "ro,noexec,nosuid", options: [], has: ["ro", "noexec", "nosuid"], hasNot: ["rw"] },
  { source: "ro,noexec,nosuid", options: ["rprivate"], has: ["ro", "noexec", "nosuid"], hasNot: ["rw"] },
  { source: "ro,noexec", options: ["dev"], has: ["rw"], hasNot: ["ro", "noexec"] },
  { source: "ro", options: ["nosuid", "nodev"], has: ["rw", "nosuid", "nodev"], hasNot: ["ro"] },
  { source: "nosuid,nodev,noexec", options: ["ro"], has: ["ro"], hasNot: ["nosuid", "nodev", "noexec"] },
  { source: "noatime", options: ["ro"], has: ["ro", "noatime"], hasNot: ["relatime"] },
  { source: "noatime", options: ["atime"], has: ["noatime"], hasNot: ["relatime"] },
  { source: "noatime", options: ["relatime"], has: ["relatime"], hasNot: ["noatime"] },
  { source: "noatime", options: ["nodiratime"], has: ["nodiratime", "relatime"], hasNot: ["noatime"] },
  { source: "nodiratime", options: ["strictatime"], has: ["rw"], hasNot: ["nodiratime", "relatime", "noatime"] },
];

for (const { source, options, has, hasNot } of PLAIN)
  check(`a bind of a ${source} mount with options "${options}" is ${has} and not ${hasNot}`, async (t) => {
    const seen = await optionsOf(t, source, options);
    for (const option of has) expect(seen).toContain(option);
    for (const option of hasNot) expect(seen).not.toContain(option);
  });

/** The kernel has locked what came from the host's namespace; what nobody asked to be cleared stays. */
const LOCKED: readonly Row[] = [
  { source: "ro,noexec", options: ["dev"], has: ["ro", "noexec"], hasNot: ["rw"] },
  { source: "ro", options: ["nosuid", "nodev"], has: ["ro", "nosuid", "nodev"], hasNot: ["rw"] },
  { source: "nosuid,nodev,noexec", options: ["ro"], has: ["ro", "nosuid", "nodev", "noexec"], hasNot: [] },
  { source: "noatime,nodiratime", options: ["atime"], has: ["noatime", "nodiratime"], hasNot: [] },
];

for (const { source, options, has, hasNot } of LOCKED)
  check(`in a user namespace a bind of a ${source} mount with options "${options}" keeps ${has}`, async (t) => {
    const seen = await optionsOf(t, source, options, true);
    for (const option of has) expect(seen).toContain(option);
    for (const option of hasNot) expect(seen).not.toContain(option);
  });

for (const [source, option] of [
  ["ro", "rw"],
  ["nosuid", "suid"],
  ["noexec", "exec"],
  ["relatime", "strictatime"],
  ["noatime", "relatime"],
] as const)
  check(`in a user namespace a bind of a ${source} mount cannot be asked to be ${option}`, async (t) => {
    await expect(optionsOf(t, source, [option], true)).rejects.toThrow(/not permitted/);
  });
