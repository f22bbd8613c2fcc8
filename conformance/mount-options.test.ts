/** Mount options: flags, recursive flags and propagation. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { isTsrunc, kernelAtLeast } from "./lib/host.ts";
import { mountEntries } from "./lib/probe.ts";
import type { Mount } from "./lib/spec.ts";

area();

function tmpfs(...options: string[]): Mount {
  return { destination: "/m", type: "tmpfs", source: "tmpfs", options };
}

/** A bind of a fresh host directory with a file and a directory in it. */
function bindOf(c: Container, destination: string, ...options: string[]): Mount {
  mkdirSync(c.file("source/sub"), { recursive: true });
  writeFileSync(c.file("source/file"), "from the host\n");
  return { destination, type: "bind", source: c.file("source"), options };
}

/** Option in config.json and what /proc/self/mountinfo says with it (and must not say). */
const FLAGS: readonly (readonly [options: readonly string[], shown: readonly string[], hidden: readonly string[]])[] = [
  [["ro"], ["ro"], ["rw"]],
  [["rw"], ["rw"], ["ro"]],
  [["nosuid"], ["nosuid"], []],
  [["nosuid", "suid"], [], ["nosuid"]],
  [["nodev"], ["nodev"], []],
  [["nodev", "dev"], [], ["nodev"]],
  [["noexec"], ["noexec"], []],
  [["noexec", "exec"], [], ["noexec"]],
  [["noatime"], ["noatime"], ["relatime"]],
  [["relatime"], ["relatime"], ["noatime"]],
  [["strictatime"], [], ["relatime", "noatime"]],
  [["nodiratime"], ["nodiratime"], []],
  [["nodiratime", "diratime"], [], ["nodiratime"]],
  [["nosymfollow"], ["nosymfollow"], []],
  [["nosymfollow", "symfollow"], [], ["nosymfollow"]],
  [["defaults"], ["rw"], ["nosuid", "nodev", "noexec"]],
  [["ro", "nosuid", "nodev", "noexec", "noatime"], ["ro", "nosuid", "nodev", "noexec", "noatime"], []],
];

for (const [options, shown, hidden] of FLAGS) {
  check(`a tmpfs with options ${options} shows them`, async (t) => {
    const c = t.container((spec) => {
      spec.mounts.push(tmpfs(...options));
    });
    const entry = (await c.probe("report")).mount("/m");
    expect(entry?.type).toBe("tmpfs");
    for (const option of shown) expect(entry?.options).toContain(option);
    for (const option of hidden) expect(entry?.options).not.toContain(option);
  });

  check(`a bind mount with options ${options} shows them`, async (t) => {
    const c = t.container((spec, self) => {
      spec.mounts.push(bindOf(self, "/m", "bind", ...options));
    });
    const entry = (await c.probe("report")).mount("/m");
    for (const option of shown) expect(entry?.options).toContain(option);
    for (const option of hidden.filter((name) => name !== "relatime" && name !== "noatime"))
      expect(entry?.options).not.toContain(option);
  });
}

for (const [option, shown] of [
  ["sync", "sync"],
  ["dirsync", "dirsync"],
] as const)
  check(`a tmpfs with option ${option} shows it`, async (t) => {
    const c = t.container((spec) => {
      spec.mounts.push(tmpfs(option));
    });
    const entry = (await c.probe("report")).mount("/m");
    expect([...(entry?.options ?? []), ...(entry?.superOptions ?? [])]).toContain(shown);
  });

check("options that are no flags are data of the file system: mode, size, uid, gid", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(tmpfs("mode=1730", "size=1m", "uid=7", "gid=8", "nosuid"));
  });
  const result = await c.probe("report", "stat=/m", "statfs=/m");
  expect(result.stat("stat=/m")).toMatchObject({ mode: 0o1730, uid: 7, gid: 8 });
  expect(result.of("statfs=/m")).toMatchObject({ type: "1021994", size: 1 << 20 });
});

const ENFORCED: readonly (readonly [option: string, operation: string, result: string])[] = [
  ["ro", "creat=/m/new", "EROFS"],
  ["noexec", "exec=/m/true", "EACCES"],
  ["nodev", "openr=/m/null", "EACCES"],
  ["nosymfollow", "openr=/m/link", "ELOOP"],
];
for (const [option, operation, result] of ENFORCED)
  check(`${option} is enforced: ${operation.split("=")[0]} gives ${result}, and works without it`, async (t) => {
    const prepare = (self: Container, ...options: string[]) => {
      mkdirSync(self.file("source"));
      execFileSync("cp", ["/bin/busybox", self.file("source/true")]);
      execFileSync("mknod", ["-m", "666", self.file("source/null"), "c", "1", "3"]);
      symlinkSync("true", self.file("source/link"));
      self.spec.mounts.push({
        destination: "/m",
        type: "bind",
        source: self.file("source"),
        options: ["bind", ...options],
      });
    };
    const c = t.container((_, self) => prepare(self, option));
    expect((await c.probe(operation)).of(operation)).toBe(result);
    const free = t.container((_, self) => prepare(self));
    expect((await free.probe(operation)).of(operation)).toBe("OK");
  });

function withNestedMount(self: Container): void {
  bindOf(self, "/m");
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", self.file("source/sub")]);
  writeFileSync(self.file("source/sub/nested"), "");
}

for (const [option, visible] of [
  ["bind", false],
  ["rbind", true],
] as const)
  check(
    `${option} ${visible ? "brings mounts below its source along" : "leaves mounts below its source out"}`,
    async (t) => {
      const c = t.container((spec, self) => {
        withNestedMount(self);
        spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: [option] });
      });
      try {
        expect((await c.probe("stat=/m/sub/nested", "ls=/m/sub")).of("ls=/m/sub")).toEqual(visible ? ["nested"] : []);
      } finally {
        execFileSync("umount", [c.file("source/sub")]);
      }
    },
  );

check("ro on an rbind leaves mounts below writable, rro makes them read-only too", async (t) => {
  for (const [option, result] of [
    ["ro", "OK"],
    ["rro", "EROFS"],
  ] as const) {
    const c = t.container((spec, self) => {
      withNestedMount(self);
      spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["rbind", option] });
    });
    try {
      if (option === "rro" && !kernelAtLeast("5.12")) return await expectRefusal(c);
      const results = await c.probe("creat=/m/new", "creat=/m/sub/new");
      expect([option, results.of("creat=/m/new"), results.of("creat=/m/sub/new")]).toEqual([option, "EROFS", result]);
    } finally {
      execFileSync("umount", [c.file("source/sub")]);
    }
  }
});

for (const [option, shown] of [
  ["rnosuid", "nosuid"],
  ["rnodev", "nodev"],
  ["rnoexec", "noexec"],
  ["rnoatime", "noatime"],
] as const)
  check(`${option} applies to mounts below too`, async (t) => {
    const c = t.container((spec, self) => {
      withNestedMount(self);
      spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["rbind", option] });
    });
    try {
      if (!kernelAtLeast("5.12")) return await expectRefusal(c);
      const result = await c.probe("report");
      expect(result.mount("/m")?.options).toContain(shown);
      expect(result.mount("/m/sub")?.options).toContain(shown);
    } finally {
      execFileSync("umount", [c.file("source/sub")]);
    }
  });

/** mount_setattr(2), which changes all mounts of a tree, is Linux 5.12. */
async function expectRefusal(c: Container): Promise<void> {
  const result = await c.run();
  expect(result.code).not.toBe(0);
  if (isTsrunc()) expect(result.stderr).toMatch(/ENOSYS.*\/mounts\/2\b.*Linux 5\.12/);
}

check("a recursive option of a mount with nothing below asks no more of the kernel than the plain one", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push(bindOf(self, "/m", "rro"));
    spec.mounts.push({ destination: "/tmpfs", type: "tmpfs", source: "tmpfs", options: ["rro", "mode=755"] });
    spec.mounts.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"] });
  });
  const result = await c.probe("creat=/m/new", "creat=/tmpfs/new", "creat=/etc/new", "stat=/etc/passwd");
  for (const path of ["/m", "/tmpfs", "/etc"]) expect(result.of(`creat=${path}/new`)).toBe("EROFS");
  expect(result.stat("stat=/etc/passwd").type).toBe("file");
});

const PROPAGATION = [
  ["private", /^$/],
  ["rprivate", /^$/],
  // The bundle may lie on a shared mount, whose slave it then is.
  ["shared", /^shared:\d+( master:\d+)?$/],
  ["rshared", /^shared:\d+( master:\d+)?$/],
  ["unbindable", /^unbindable$/],
  ["runbindable", /^unbindable$/],
] as const;
for (const [option, pattern] of PROPAGATION)
  check(`propagation option ${option} is shown in mountinfo`, async (t) => {
    const c = t.container((spec, self) => {
      spec.mounts.push(bindOf(self, "/m", "rbind", option));
    });
    expect((await c.probe("report")).mount("/m")?.propagation.join(" ")).toMatch(pattern);
  });

checkTsrunc("remount changes what it names, data and propagation too, and leaves the rest", async (t) => {
  const c = t.container((spec) => {
    const mount = { destination: "/m", type: "tmpfs", source: "tmpfs" };
    spec.mounts.push({ ...mount, options: ["nosuid", "noexec", "size=1m"] });
    spec.mounts.push({ ...mount, options: ["remount", "nodev", "exec", "size=2m", "shared"] });
  });
  const found = (await c.probe("report")).mount("/m");
  expect(found?.options).toEqual(expect.arrayContaining(["nosuid", "nodev"]));
  expect(found?.options).not.toContain("noexec");
  expect(found?.superOptions).toContain("size=2048k");
  expect(found?.propagation.join(" ")).toMatch(/^shared:\d+$/);
});

check("options that only mount(2) takes leave the others as they are", async (t) => {
  const c = t.container((spec) => {
    const add = (destination: string, ...options: readonly string[]) =>
      spec.mounts.push({ destination, type: "tmpfs", source: "tmpfs", options: ["silent", ...options] });
    add("/a", "shared", "nosuid");
    add("/b", "rro");
    add("/etc", "tmpcopyup", "ro");
    add("/c", "sync", "async", "noatime");
  });
  const result = await c.probe("report", "creat=/b/new", "creat=/etc/new", "stat=/etc/passwd");
  expect(result.mount("/a")?.propagation.join(" ")).toMatch(/^shared:\d+$/);
  expect(result.mount("/a")?.options).toContain("nosuid");
  for (const path of ["/b", "/etc"]) expect(result.of(`creat=${path}/new`)).toBe("EROFS");
  expect(result.stat("stat=/etc/passwd").type).toBe("file");
  expect(result.mount("/c")?.options).toContain("noatime");
  expect(result.mount("/c")?.superOptions).not.toContain("sync");
});

for (const option of ["slave", "rslave"])
  check(`${option} lets host mounts come in, and the container's not go out`, async (t) => {
    const c = t.container((spec, self) => {
      bindOf(self, "/m");
      execFileSync("mount", ["--bind", self.file("source"), self.file("source")]);
      execFileSync("mount", ["--make-shared", self.file("source")]);
      spec.linux.rootfsPropagation = "rslave";
      spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["rbind", option] });
    });
    try {
      await c.up();
      execFileSync("mount", ["-t", "tmpfs", "late", c.file("source/sub")]);
      const inside = readFileSync(`/proc/${await c.pid()}/mountinfo`, "utf8")
        .trimEnd()
        .split("\n");
      const entries = mountEntries(inside);
      expect(entries.find(({ target }) => target === "/m")?.propagation.join(" ")).toMatch(/^master:\d+/);
      expect(entries.some(({ target }) => target === "/m/sub")).toBe(true);
    } finally {
      await c.delete("--force");
      execFileSync("umount", ["-R", c.file("source")]);
    }
  });
