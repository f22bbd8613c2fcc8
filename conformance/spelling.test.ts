/** How a path in config.json is spelled never changes what its field does, whichever field it is. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, type Scope } from "./lib/harness.ts";
import { isTsrunc } from "./lib/host.ts";
import { mountEntries, type ProbeResult } from "./lib/probe.ts";
import { DEVPTS, dropNamespace, setNamespace, useUserNamespace } from "./lib/spec.ts";

area();

/** Other ways to write an absolute path. */
const SPELLINGS: Readonly<Record<string, (path: string) => string>> = {
  "a slash at the end": (path) => `${path}/`,
  "a dot at the end": (path) => `${path}/.`,
  "dots and slashes at the end": (path) => `${path}//.//`,
  "a slash twice": (path) => path.replaceAll("/", "//"),
  "a dot within": (path) => path.replaceAll("/", "/./"),
  "a detour": (path) => path.replace(/\/[^/]+$/, (last) => `${last}/..${last}`),
  "a way above the root": (path) => `/../..${path}`,
};

/** In the container; the last two are of the container's root. */
const INSIDE = Object.entries(SPELLINGS);
/** On the host `..` goes where the kernel says, and a detour needs a directory. */
const HOST = INSIDE.filter(([name]) => name !== "a detour");

interface Field {
  readonly what: string;
  readonly set: (c: Container, spell: (path: string) => string) => void;
  readonly look: readonly string[];
  readonly expect: (result: ProbeResult, c: Container) => void;
}

function bindSource(c: Container): string {
  mkdirSync(c.file("source"), { recursive: true });
  writeFileSync(c.file("source/file"), "from the host\n");
  return c.file("source");
}

const FIELDS: readonly Field[] = [
  {
    what: "destination of a tmpfs",
    set: (c, spell) => c.spec.mounts.push({ destination: spell("/home/app"), type: "tmpfs", source: "mark" }),
    look: ["report"],
    expect: (result) => expect(result.mount("/home/app")?.source).toBe("mark"),
  },
  {
    what: "destination of a bind of a file",
    set: (c, spell) => {
      const source = `${bindSource(c)}/file`;
      c.spec.mounts.push({ destination: spell("/etc/passwd"), type: "bind", source, options: ["bind"] });
    },
    look: ["read=/etc/passwd"],
    expect: (result) => expect(result.data("/etc/passwd")).toBe("from the host\n"),
  },
  {
    what: "destination /proc",
    set: (c, spell) => {
      c.spec.mounts[0] = { destination: spell("/proc"), type: "proc", source: "proc" };
    },
    look: ["report", "readlink=/proc/self"],
    expect: (result) => expect(result.of("readlink=/proc/self")).toBe("1"),
  },
  {
    what: "destination of a read-only /dev, which is filled first",
    set: (c, spell) => {
      c.spec.mounts[1] = { destination: spell("/dev"), type: "tmpfs", source: "tmpfs", options: ["mode=755", "ro"] };
      c.spec.mounts.push(DEVPTS);
    },
    look: ["stat=/dev/null", "stat=/dev/zero", "creat=/dev/new"],
    expect: (result) => {
      expect(result.stat("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
      expect(result.of("creat=/dev/new")).toBe("EROFS");
    },
  },
  {
    what: "destination of a /dev of another place, which is left alone",
    set: (c, spell) => {
      mkdirSync(c.file("source"), { recursive: true });
      c.spec.mounts[1] = { destination: spell("/dev"), type: "bind", source: bindSource(c), options: ["rbind"] };
    },
    look: ["ls=/dev"],
    expect: (result) => expect(result.of("ls=/dev")).toEqual(["file"]),
  },
  {
    what: "maskedPaths with a file",
    set: (c, spell) => {
      c.spec.linux.maskedPaths = [spell("/etc/passwd")];
    },
    look: ["read=/etc/passwd", "stat=/etc/passwd"],
    expect: (result) => {
      expect(result.stat("stat=/etc/passwd").type).toBe("c");
      expect(result.data("/etc/passwd")).toBe("");
    },
  },
  {
    what: "maskedPaths with a directory",
    set: (c, spell) => {
      c.spec.linux.maskedPaths = [spell("/home/app"), spell("/etc")];
    },
    look: ["ls=/etc", "creat=/etc/new"],
    expect: (result) => expect([result.of("ls=/etc"), result.of("creat=/etc/new")]).toEqual([[], "EROFS"]),
  },
  {
    what: "readonlyPaths",
    set: (c, spell) => {
      c.spec.linux.readonlyPaths = [spell("/etc/passwd"), spell("/home/app")];
    },
    look: ["openw=/etc/passwd", "creat=/home/app/new"],
    expect: (result) =>
      expect([result.of("openw=/etc/passwd"), result.of("creat=/home/app/new")]).toEqual(["EROFS", "EROFS"]),
  },
  {
    what: "path of a device",
    set: (c, spell) => {
      c.spec.linux.devices = [
        { path: spell("/dev/mine"), type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 },
      ];
    },
    look: ["stat=/dev/mine"],
    expect: (result) =>
      expect(result.stat("stat=/dev/mine")).toMatchObject({
        type: "c",
        major: 1,
        minor: 3,
        mode: 0o640,
        uid: 5,
        gid: 6,
      }),
  },
  {
    what: "path of a default device, which takes its place",
    set: (c, spell) => {
      c.spec.linux.devices = [
        { path: spell("/dev/null"), type: "c", major: 1, minor: 3, fileMode: 0o600, uid: 5, gid: 6 },
      ];
    },
    look: ["stat=/dev/null"],
    expect: (result) => expect(result.stat("stat=/dev/null")).toMatchObject({ mode: 0o600, uid: 5, gid: 6 }),
  },
  {
    what: "cwd",
    set: (c, spell) => {
      c.spec.process.cwd = spell("/home/app");
    },
    look: ["report"],
    expect: ({ report }) => expect(report.cwd).toBe("/home/app"),
  },
  {
    what: "cwd that is missing",
    set: (c, spell) => {
      c.spec.process.cwd = spell("/made/for/it");
    },
    look: ["report"],
    expect: ({ report }) => expect(report.cwd).toBe("/made/for/it"),
  },
];

for (const { what, set, look, expect: seen } of FIELDS)
  checkTsrunc(`${what}: no spelling changes what it does`, async (t) => {
    for (const [, spell] of INSIDE) {
      const c = t.container();
      set(c, spell);
      seen(await c.probe(...look), c);
    }
  });

const HOST_FIELDS: readonly Field[] = [
  {
    what: "root.path",
    set: (c, spell) => {
      c.spec.root.path = spell(c.rootfs);
    },
    look: ["report"],
    expect: ({ report }) => expect(report.pid).toBe(1),
  },
  {
    what: "source of a bind of a directory",
    set: (c, spell) => c.spec.mounts.push({ destination: "/m", source: spell(bindSource(c)), options: ["rbind"] }),
    look: ["read=/m/file"],
    expect: (result) => expect(result.data("/m/file")).toBe("from the host\n"),
  },
  {
    what: "source of a bind of a file",
    set: (c, spell) =>
      c.spec.mounts.push({ destination: "/m", source: spell(`${bindSource(c)}/file`), options: ["rbind"] }),
    look: ["read=/m"],
    expect: (result) => expect(result.data("/m")).toBe("from the host\n"),
  },
  {
    what: "source that is a link",
    set: (c, spell) => {
      symlinkSync("file", `${bindSource(c)}/link`);
      const source = spell(c.file("source/link"));
      c.spec.mounts.push({ destination: "/m", source, options: ["bind", "src-nofollow"] });
    },
    look: ["readlink=/m"],
    expect: (result) => expect(result.of("readlink=/m")).toBe("file"),
  },
  {
    what: "path of a namespace",
    set: (c, spell) => {
      c.spec.linux.namespaces = c.spec.linux.namespaces.map((ns) =>
        ns.type === "uts" ? { type: "uts", path: spell(`/proc/${process.pid}/ns/uts`) } : ns,
      );
    },
    look: ["readlink=/proc/self/ns/uts"],
    expect: (result) =>
      expect(result.of("readlink=/proc/self/ns/uts")).toBe(
        execFileSync("readlink", ["/proc/self/ns/uts"], { encoding: "utf8" }).trim(),
      ),
  },
  {
    what: "cgroupsPath",
    set: (c, spell) => {
      dropNamespace(c.spec, "cgroup");
      c.spec.linux.cgroupsPath = spell(`/${c.id}-spelled`);
    },
    look: ["read=/proc/self/cgroup"],
    expect: (result, c) => expect(result.data("/proc/self/cgroup")).toContain(`/${c.id}-spelled\n`),
  },
  {
    what: "path of a hook",
    set: (c, spell) => {
      c.spec.hooks = { prestart: [{ path: spell("/bin/touch"), args: ["touch", c.file("hooked")] }] };
    },
    look: ["report"],
    expect: (_, c) => expect(existsSync(c.file("hooked"))).toBe(true),
  },
];

for (const { what, set, look, expect: seen } of HOST_FIELDS)
  checkTsrunc(`${what}: no spelling changes what it does`, async (t) => {
    for (const [name, spell] of HOST) {
      // A cgroup is named without `..`, as everybody who may pass that path on expects.
      if (what === "cgroupsPath" && name === "a way above the root") continue;
      const c = t.container();
      set(c, spell);
      seen(await c.probe(...look), c);
    }
  });

checkTsrunc("a source with .. leads where the kernel goes, through links too", async (t) => {
  const c = t.container((spec, self) => {
    const source = bindSource(self);
    mkdirSync(self.file("far/below"), { recursive: true });
    symlinkSync(self.file("far/below"), `${source}/link`);
    writeFileSync(self.file("far/file"), "far\n");
    spec.mounts.push({ destination: "/m", source: `${source}/link/../file`, options: ["bind"] });
  });
  expect((await c.probe("read=/m")).data("/m")).toBe("far\n");
});

checkTsrunc("a path twice, spelled in two ways, is covered once", async (t) => {
  const c = t.container((spec) => {
    spec.linux.maskedPaths = ["/etc", "/etc/", "//etc", "/./etc/."];
    spec.linux.readonlyPaths = ["/home", "/home/", "/home/../home"];
  });
  const entries = mountEntries((await c.probe("report")).report.mounts);
  for (const path of ["/etc", "/home"]) expect(entries.filter(({ target }) => target === path)).toHaveLength(1);
});

/** Each with what stands in the way of looking at it. */
const IN_THE_WAY: readonly (readonly [path: string, reason: string, prepare?: (c: Container) => void])[] = [
  ["/etc/passwd/below", "ENOTDIR"],
  ["/round", "ELOOP", (c) => symlinkSync("round", c.inside("round"))],
  [`/${"x".repeat(300)}`, "ENAMETOOLONG"],
];
for (const field of ["maskedPaths", "readonlyPaths"] as const)
  check(`${field}: what is missing is passed over, and what cannot be looked at is an error`, async (t) => {
    const passed = t.container((spec, self) => {
      symlinkSync("nowhere", self.inside("dangling"));
      spec.linux[field] = ["/missing", "/missing/below", "/etc/missing", "/dangling"];
    });
    expect((await passed.probe("report")).report.pid).toBe(1);
    for (const [path, reason, prepare] of IN_THE_WAY) {
      const c = t.container((spec, self) => {
        prepare?.(self);
        spec.linux[field] = [path];
      });
      const result = await c.tryCreate();
      expect(result.code).not.toBe(0);
      if (isTsrunc()) expect(result.stderr).toMatch(new RegExp(`${reason}.*/linux/${field}/0`));
    }
  });

for (const field of ["maskedPaths", "readonlyPaths"] as const)
  check(`${field}: links of the image are followed inside the root`, async (t) => {
    const c = t.container((spec, self) => {
      symlinkSync("/../../etc", self.inside("link"));
      spec.linux[field] = ["/link/passwd"];
    });
    expect((await c.probe("openw=/etc/passwd")).of("openw=/etc/passwd")).toBe(field === "maskedPaths" ? "OK" : "EROFS");
  });

checkTsrunc("bad config: paths that name nothing", async (t) => {
  const refused = async (patch: (c: Container) => void, at: string) => {
    const c = t.container((_, self) => patch(self));
    const result = await c.tryCreate();
    expect([result.code, result.stderr]).toEqual([1, expect.stringContaining(at)]);
  };
  for (const path of ["/", "//", "/.", "/..", "/etc/.."])
    await refused((c) => {
      c.spec.linux.maskedPaths = [path];
    }, "/linux/maskedPaths/0");
  for (const path of ["", "etc", ".", "./etc"])
    for (const field of ["maskedPaths", "readonlyPaths"] as const)
      await refused((c) => {
        c.spec.linux[field] = [path];
      }, `/linux/${field}/0`);
  for (const path of ["/", "/.", "dev/x", ""])
    await refused((c) => {
      c.spec.linux.devices = [{ path, type: "c", major: 1, minor: 3 }];
    }, "/linux/devices/0/path");
  await refused((c) => c.spec.mounts.push({ destination: "", type: "tmpfs", source: "x" }), "/mounts/2/destination");
});

// ---- the root itself ----

for (const path of ["/", "//", "/.", "/../", "/etc/..", ".", "./"])
  checkTsrunc(`a mount on ${path} is the root from then on`, async (t) => {
    const c = t.container((spec, self) => {
      mkdirSync(self.file("other"));
      execFileSync("cp", ["-a", ...["bin", "etc"].map((name) => self.inside(name)), self.file("other")]);
      writeFileSync(self.file("other/mark"), "the other root\n");
      const root = { destination: path, type: "bind", source: self.file("other"), options: ["rbind"] };
      spec.mounts = [{ destination: "/hidden", type: "tmpfs", source: "hidden" }, root, ...spec.mounts];
    });
    const result = await c.probe("report", "read=/mark", "stat=/dev/null", "ls=/", "stat=/hidden", "stat=/..");
    expect(result.data("/mark")).toBe("the other root\n");
    expect(result.stat("stat=/dev/null").type).toBe("c");
    expect(result.of("stat=/hidden")).toBe("ENOENT");
    expect(existsSync(c.inside("dev/null"))).toBe(false);
    expect(existsSync(c.file("other/proc"))).toBe(true);
    expect(mountEntries(result.report.mounts).map(({ target }) => target)).toEqual(["/", "/proc", "/dev"]);
  });

const ROOTS = [
  ["a new file system", { type: "tmpfs", source: "root", options: ["tmpcopyup", "mode=755"] }],
  ["one that only mount(2) makes", { type: "tmpfs", source: "root", options: ["tmpcopyup", "silent", "mode=755"] }],
  ["a read-only one", { type: "tmpfs", source: "root", options: ["tmpcopyup", "ro", "mode=755"] }],
] as const;
for (const [what, mount] of ROOTS)
  checkTsrunc(`a mount on /: ${what}`, async (t) => {
    const readonly = (mount.options as readonly string[]).includes("ro");
    const run = async (flags: string[], patch: (c: Container) => void) => {
      const c = t.container((spec, self) => {
        spec.mounts = [{ ...mount, options: [...mount.options], destination: "/" }, ...spec.mounts];
        patch(self);
      });
      const result = await c.probeWith({ flags }, "report", "creat=/new", "stat=/made");
      expect(mountEntries(result.report.mounts).find(({ target }) => target === "/")?.source).toBe("root");
      expect(result.of("creat=/new")).toBe(readonly ? "EROFS" : "OK");
      expect(result.stat("stat=/made").type).toBe("dir");
      expect(existsSync(c.inside("new"))).toBe(false);
    };
    const made = (c: Container) => {
      c.spec.mounts.push({ destination: "/made", type: "tmpfs", source: "tmpfs" });
    };
    await run([], made);
    await run(["--no-pivot"], made);
    for (const value of ["slave", "rshared", "unbindable"])
      await run([], (c) => {
        made(c);
        c.spec.linux.rootfsPropagation = value;
      });
  });

checkTsrunc("a link of the image does not make another mount the root", async (t) => {
  for (const target of ["/", "..", "home/..", "/proc/.."])
    for (const type of ["bind", "tmpfs"]) {
      const c = t.container((spec, self) => {
        mkdirSync(self.file("volume"));
        symlinkSync(target, self.inside("data"));
        const source = type === "bind" ? self.file("volume") : "tmpfs";
        spec.mounts.push({ destination: "/data", type, source, options: type === "bind" ? ["rbind"] : [] });
      });
      const result = await c.tryCreate();
      expect([result.code, result.stderr]).toEqual([1, expect.stringMatching(/EBUSY.*\/mounts\/2/)]);
      expect(readdirSync(c.file("volume"))).toEqual([]);
    }
});

checkTsrunc("bad config: the host's own mount namespace to be joined", async (t) => {
  for (const path of [`/proc/${process.pid}/ns/mnt`, "/proc/self/ns/mnt", "/proc/self/ns//mnt/."]) {
    const c = t.container((spec) => {
      setNamespace(spec, "mount", path);
    });
    const result = await c.tryCreate();
    expect([result.code, result.stderr]).toEqual([1, expect.stringMatching(/\/linux\/namespaces\/\d+\/path/)]);
  }
});

checkTsrunc("a mount on / in a user namespace", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    execFileSync("chown", ["-R", "100000:200000", self.rootfs]);
    spec.mounts = [{ destination: "/", type: "tmpfs", source: "root", options: ["tmpcopyup"] }, ...spec.mounts];
  });
  expect((await c.probe("report")).mount("/")?.source).toBe("root");
});

checkTsrunc("a mount on / in the host's mount namespace goes with the container", async (t) => {
  const c = t.container((spec, self) => {
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "mount");
    mkdirSync(self.file("other"));
    execFileSync("cp", ["-a", self.inside("bin"), self.file("other")]);
    writeFileSync(self.file("other/mark"), "the other root\n");
    const other = { destination: "/", type: "bind", source: self.file("other"), options: ["bind"] };
    spec.mounts = [{ destination: "/tmp", type: "tmpfs", source: "tmpfs" }, other, other];
    spec.root.readonly = true;
  });
  expect((await c.probe("read=/mark")).data("/mark")).toBe("the other root\n");
  expect((await t.leftNow()).filter((line) => line.startsWith("mount"))).toEqual([]);
});

async function rootIsReadonly(t: Scope, patch: (c: Container) => void): Promise<void> {
  const c = t.container((spec, self) => {
    spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
    patch(self);
  });
  const result = await c.probe("creat=/new", "creat=/tmp/new");
  expect([result.of("creat=/new"), result.of("creat=/tmp/new")]).toEqual(["EROFS", "OK"]);
}

checkTsrunc("readonlyPaths with the root make it read-only, when all in it is made", async (t) => {
  for (const path of ["/", "/.", "//", "/etc/.."])
    await rootIsReadonly(t, (c) => {
      c.spec.linux.readonlyPaths = [path];
      c.spec.process.cwd = "/made/for/it";
    });
  await rootIsReadonly(t, (c) => {
    symlinkSync("/", c.inside("link"));
    c.spec.linux.readonlyPaths = ["/link"];
  });
});

checkTsrunc("maskedPaths with a link to the root are an error", async (t) => {
  const c = t.container((spec, self) => {
    symlinkSync("..", self.inside("link"));
    spec.linux.maskedPaths = ["/link"];
  });
  const result = await c.tryCreate();
  expect([result.code, result.stderr]).toEqual([1, expect.stringContaining("/linux/maskedPaths/0")]);
});
