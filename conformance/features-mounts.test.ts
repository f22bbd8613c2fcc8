/** Each mount option that `features` names is tried: it does what its name says. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given, type Scope } from "./lib/harness.ts";
import { RUNTIME } from "./lib/host.ts";
import { lacksAny, lacksKernel } from "./lib/needs.ts";
import type { MountEntry, ProbeResult } from "./lib/probe.ts";

area();

const said = spawnSync(RUNTIME[0] ?? "", [...RUNTIME.slice(1), "features"], { encoding: "utf8" });
/** None where the runtime is older than the verb. */
const mountOptions = said.status === 0 ? (JSON.parse(said.stdout) as { mountOptions: string[] }).mountOptions : [];

/** The container has a bind of a tmpfs with another one below it at /m, or a tmpfs at /m. */
type Kind = "tmpfs" | "bind";

interface Row {
  readonly kind: Kind;
  /** What comes before the option, so that it has something to take back. */
  readonly before?: readonly string[];
  readonly has?: readonly string[];
  readonly hasNot?: readonly string[];
  readonly propagation?: RegExp;
}

const ATTRIBUTES: Readonly<Record<string, Omit<Row, "kind">>> = {
  ro: { has: ["ro"] },
  rw: { before: ["ro"], has: ["rw"] },
  nosuid: { has: ["nosuid"] },
  suid: { before: ["nosuid"], hasNot: ["nosuid"] },
  nodev: { has: ["nodev"] },
  dev: { before: ["nodev"], hasNot: ["nodev"] },
  noexec: { has: ["noexec"] },
  exec: { before: ["noexec"], hasNot: ["noexec"] },
  nodiratime: { has: ["nodiratime"] },
  diratime: { before: ["nodiratime"], hasNot: ["nodiratime"] },
  nosymfollow: { has: ["nosymfollow"] },
  symfollow: { before: ["nosymfollow"], hasNot: ["nosymfollow"] },
  noatime: { has: ["noatime"] },
  atime: { before: ["noatime"], hasNot: ["noatime"] },
  relatime: { before: ["noatime"], has: ["relatime"], hasNot: ["noatime"] },
  // What mount(2) makes of no relatime is relatime.
  norelatime: { before: ["relatime"], has: ["relatime"] },
  strictatime: { hasNot: ["relatime", "noatime"] },
  nostrictatime: { before: ["strictatime"], has: ["relatime"] },
};

const PROPAGATION: Readonly<Record<string, RegExp>> = {
  private: /^$/,
  slave: /^master:\d+$/,
  shared: /^shared:\d+$/,
  unbindable: /^unbindable$/,
};

/** Of the whole file system; mountinfo has them beside its own options. */
const SUPERBLOCK: Readonly<Record<string, Omit<Row, "kind">>> = {
  sync: { has: ["sync"] },
  async: { before: ["sync"], hasNot: ["sync"] },
  dirsync: { has: ["dirsync"] },
  mand: { has: ["mand"] },
  nomand: { before: ["mand"], hasNot: ["mand"] },
  lazytime: { has: ["lazytime"] },
  nolazytime: { before: ["lazytime"], hasNot: ["lazytime"] },
  // The kernel shows none of these; they are taken, and nothing else changes.
  defaults: { has: ["rw"], hasNot: ["nosuid", "nodev", "noexec"] },
  silent: { has: ["rw"] },
  loud: { before: ["silent"], has: ["rw"] },
  iversion: { has: ["rw"] },
  noiversion: { before: ["iversion"], has: ["rw"] },
};

const ROWS: ReadonlyMap<string, Row> = new Map([
  ...Object.entries(ATTRIBUTES).flatMap(([name, row]): [string, Row][] => {
    const before = (row.before ?? []).map((option) => `r${option}`);
    return [
      [name, { kind: "tmpfs", ...row }],
      [`r${name}`, { kind: "bind", ...row, before }],
    ];
  }),
  ...Object.entries(PROPAGATION).flatMap(([name, propagation]): [string, Row][] => [
    [name, { kind: "bind", propagation }],
    [`r${name}`, { kind: "bind", propagation }],
  ]),
  ...Object.entries(SUPERBLOCK).map(([name, row]): [string, Row] => [name, { kind: "tmpfs", ...row }]),
]);

/** A shared tmpfs of the host's with another one below it, an ordinary file, links, and what no flag holds back yet. */
function withTree(t: Scope, self: Container): void {
  mkdirSync(self.file("source"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "outer", self.file("source")]);
  t.cleanup(() => void execFileSync("umount", ["-R", self.file("source")]));
  mkdirSync(self.file("source/sub"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "inner", self.file("source/sub")]);
  execFileSync("mount", ["--make-rshared", self.file("source")]);
  writeFileSync(self.file("source/file"), "from the host\n");
  execFileSync("chown", ["7:7", self.file("source/file")]);
  symlinkSync("file", self.file("source/link"));
}

function expectRow(mount: MountEntry | undefined, { has = [], hasNot = [], propagation }: Row): void {
  const options = [...(mount?.options ?? []), ...(mount?.superOptions ?? [])];
  // `rw` and `ro` of the file system are not those of the mount.
  for (const option of has) expect(option === "ro" || option === "rw" ? mount?.options : options).toContain(option);
  for (const option of hasNot) expect(options).not.toContain(option);
  if (propagation !== undefined) expect(mount?.propagation.join(" ")).toMatch(propagation);
}

/** Linux 5.12 changes trees; in 5.10 and 5.11 that is refused. */
const isRecursive = (name: string) => name.startsWith("r") && ROWS.has(name.slice(1)) && name.slice(1) in ATTRIBUTES;

async function tryRow(t: Scope, name: string, row: Row): Promise<void> {
  const c = t.container((spec, self) => {
    withTree(t, self);
    const options = [...(row.before ?? []), name];
    // So that the bind is of the host's group, and can become its slave or leave it.
    if (row.propagation !== undefined) spec.linux.rootfsPropagation = "shared";
    if (row.kind === "tmpfs") spec.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options });
    else
      spec.mounts.push({
        destination: "/m",
        type: "bind",
        source: self.file("source"),
        options: ["rbind", ...options],
      });
  });
  const report = await c.probe("report");
  expectRow(report.mount("/m"), row);
  const reachesAll = row.kind === "bind" && name.startsWith("r") && ROWS.has(name.slice(1));
  // What is unbindable below is not cloned, but this was shared when it was.
  if (reachesAll) expectRow(report.mount("/m/sub"), row);
}

/** Words that say more than a flag. */
const WORDS: Readonly<Record<string, (t: Scope) => Promise<void>>> = {
  bind: async (t) => {
    expect((await bound(t, ["bind"], "read=/m/file", "report")).mount("/m/sub")).toBeUndefined();
  },
  rbind: async (t) => {
    expect((await bound(t, ["rbind"], "report")).mount("/m/sub")?.source).toBe("inner");
  },
  remount: async (t) => {
    const c = t.container((spec) => {
      const mount = { destination: "/m", type: "tmpfs", source: "tmpfs" };
      spec.mounts.push({ ...mount, options: ["size=1m"] }, { ...mount, options: ["remount", "nosuid"] });
    });
    const { mounts } = (await c.probe("report")).report;
    expect(mounts.filter((line) => line.includes(" /m "))).toHaveLength(1);
    expect((await c.probe("report")).mount("/m")?.options).toContain("nosuid");
  },
  tmpcopyup: async (t) => {
    const c = t.container((spec) => {
      spec.mounts.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
    });
    expect((await c.probe("read=/etc/passwd")).data("/etc/passwd")).toMatch(/^root:/);
  },
  "src-nofollow": async (t) => {
    const result = await linked(t, "/new", ["bind", "src-nofollow"], "readlink=/new");
    expect(result.of("readlink=/new")).toBe("file");
  },
  "dest-nofollow": async (t) => {
    const result = await linked(t, "/here", ["bind", "dest-nofollow"], "read=/here", "read=/etc/passwd");
    expect(result.data("/here")).toBe("from the host\n");
    expect(result.data("/etc/passwd")).toMatch(/^root:/);
  },
  "copy-symlink": async (t) => {
    const result = await linked(t, "/new", ["bind", "copy-symlink"], "readlink=/new", "report");
    expect(result.of("readlink=/new")).toBe("file");
    expect(result.mount("/new")).toBeUndefined();
  },
  idmap: async (t) => await mapped(t, "idmap"),
  ridmap: async (t) => await mapped(t, "ridmap"),
};

async function bound(t: Scope, options: string[], ...operations: string[]): Promise<ProbeResult> {
  const c = t.container((spec, self) => {
    withTree(t, self);
    spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options });
  });
  return await c.probe(...operations);
}

async function linked(t: Scope, destination: string, options: string[], ...operations: string[]): Promise<ProbeResult> {
  const c = t.container((spec, self) => {
    withTree(t, self);
    symlinkSync("/etc/passwd", self.inside("here"));
    spec.mounts.push({ destination, type: "bind", source: self.file("source/link"), options });
  });
  return await c.probe(...operations);
}

async function mapped(t: Scope, option: string): Promise<void> {
  const c = t.container((spec, self) => {
    withTree(t, self);
    execFileSync("cp", ["-p", self.file("source/file"), self.file("source/sub/file")]);
    const mappings = [{ containerID: 0, hostID: 1000, size: 100 }];
    spec.mounts.push({
      destination: "/m",
      type: "bind",
      source: self.file("source"),
      options: ["rbind", option],
      ...{ uidMappings: mappings, gidMappings: mappings },
    });
  });
  const result = await c.probe("stat=/m/file", "stat=/m/sub/file");
  expect(result.stat("stat=/m/file").uid).toBe(1007);
  expect(result.stat("stat=/m/sub/file").uid).toBe(option === "ridmap" ? 1007 : 7);
}

checkTsrunc("features names mount options", () => {
  expect(mountOptions.length).toBeGreaterThan(50);
});

for (const name of mountOptions) {
  const row = ROWS.get(name);
  const word = WORDS[name];
  // Since Linux 6.3 a tmpfs can be mapped.
  const lack = lacksAny(
    isRecursive(name) ? lacksKernel("5.12") : undefined,
    name.endsWith("idmap") ? lacksKernel("6.3") : undefined,
  );
  given(lack, () => {
    if (row !== undefined)
      check(`the mount option ${name} that features names has its effect`, (t) => tryRow(t, name, row));
    else if (word !== undefined) check(`the mount option ${name} that features names has its effect`, word);
    else
      checkTsrunc(`the mount option ${name} that features names is tried`, () => {
        expect(row).toBeDefined();
      });
  });
}
