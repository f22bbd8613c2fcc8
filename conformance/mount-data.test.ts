/** Options of file systems, and what mounts do with links: config.md, "Mounts", and what mount(8), runc and crun take. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given } from "./lib/harness.ts";
import { isTsrunc } from "./lib/host.ts";
import { lacksKernel } from "./lib/needs.ts";
import { DEVPTS, dropNamespace, useUserNamespace } from "./lib/spec.ts";

area();

check("options of tmpfs joined in one string are options one by one", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({
      destination: "/m",
      type: "tmpfs",
      source: "tmpfs",
      options: ["mode=1770,size=2m,uid=7", "gid=8"],
    });
  });
  const result = await c.probe("stat=/m", "statfs=/m");
  expect(result.stat("stat=/m")).toMatchObject({ mode: 0o1770, uid: 7, gid: 8 });
  expect(result.of("statfs=/m")).toMatchObject({ size: 2 << 20 });
});

for (const options of [["ro,nosuid,size=2m"], ["size=2m,nosuid", "noexec,ro"], ["noexec,nodev,exec,size=1m", "nosuid"]])
  checkTsrunc(`flags among joined options are flags: ${options.join(" and ")}`, async (t) => {
    const c = t.container((spec) => {
      spec.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options });
    });
    const mount = (await c.probe("report")).mount("/m");
    const words = options.join(",").split(",");
    for (const flag of ["ro", "nosuid", "nodev"])
      if (words.includes(flag)) expect(mount?.options).toContain(flag);
      else expect(mount?.options).not.toContain(flag);
    expect(mount?.options.includes("noexec")).toBe(words.includes("noexec") && !words.includes("exec"));
    expect(mount?.superOptions).toContain(words.includes("size=2m") ? "size=2048k" : "size=1024k");
  });

checkTsrunc("a bind mount takes joined options too", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("source"));
    spec.mounts.push({ destination: "/m", source: self.file("source"), options: ["rbind,ro,nosuid"] });
  });
  expect((await c.probe("report")).mount("/m")?.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
});

check("joined options of procfs and devpts take effect", async (t) => {
  const c = t.container((spec) => {
    spec.mounts[0] = { destination: "/proc", type: "proc", source: "proc", options: ["hidepid=2,gid=5"] };
    spec.mounts.push({ ...DEVPTS, options: ["newinstance,ptmxmode=0666,mode=0620,gid=5"] });
  });
  const result = await c.probe("report", "stat=/dev/pts/ptmx");
  expect(result.mount("/proc")?.superOptions.join(" ")).toMatch(/gid=5 hidepid=(2|invisible)/);
  expect(result.mount("/dev/pts")?.superOptions).toEqual(expect.arrayContaining(["gid=5", "mode=620", "ptmxmode=666"]));
  expect(result.stat("stat=/dev/pts/ptmx").mode).toBe(0o666);
});

check("an option that the file system does not know is refused, joined or not", async (t) => {
  for (const options of [["size=1m,nonsense=1"], ["nonsense"], ["size=1m", "size=x"]]) {
    const c = t.container((spec) => {
      spec.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options });
    });
    const result = await c.run();
    expect(result.code).not.toBe(0);
    if (isTsrunc()) expect(result.stderr).toMatch(/\/mounts\/2\b/);
  }
});

given(lacksKernel("5.10"), () => {
  checkTsrunc("a list of nodes stays one option of tmpfs", async (t) => {
    const c = t.container((spec) => {
      spec.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options: ["mpol=bind:0,0,size=2m"] });
    });
    const result = await c.run();
    // Where the kernel has NUMA it takes both, else none of the first; never the second alone.
    if (result.code !== 0) expect(result.stderr).toContain("mpol");
  });
});

/** Layers on a tmpfs, since an overlay may not be made of another one. */
function withLayers(self: Container, names: readonly string[]): void {
  mkdirSync(self.file("layers"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "layers", self.file("layers")]);
  for (const name of [...names, "upper", "work"]) {
    mkdirSync(self.file(`layers/${name}`), { recursive: true });
    writeFileSync(self.file(`layers/${name}/of-${name.replaceAll("/", "-")}`), "");
  }
}

const OVERLAYS: readonly (readonly [what: string, names: readonly string[], options: (at: string) => string[]])[] = [
  ["one string", ["a", "b"], (at) => [`lowerdir=${at}/a:${at}/b,upperdir=${at}/upper,workdir=${at}/work`]],
  ["a string each", ["a", "b"], (at) => [`lowerdir=${at}/a:${at}/b`, `upperdir=${at}/upper`, `workdir=${at}/work`]],
  ["an escaped comma and colon", ["a,b", "c:d"], (at) => [`lowerdir=${at}/a\\,b:${at}/c\\:d`]],
  [
    "more than fsconfig(2) takes",
    Array.from({ length: 20 }, (_, i) => `layer-with-a-longer-name-${i}`),
    (at) => [
      `lowerdir=${Array.from({ length: 20 }, (_, i) => `${at}/layer-with-a-longer-name-${i}`).join(":")},upperdir=${at}/upper,workdir=${at}/work`,
    ],
  ],
];
for (const [what, names, options] of OVERLAYS)
  check(`an overlay's directories may be given as ${what}`, async (t) => {
    const c = t.container((_, self) => withLayers(self, names));
    t.cleanup(() => void execFileSync("umount", ["-R", c.file("layers")]));
    c.spec.mounts.push({ destination: "/o", type: "overlay", source: "overlay", options: options(c.file("layers")) });
    const found = (await c.probe("ls=/o")).of("ls=/o") as string[];
    for (const name of names) expect(found).toContain(`of-${name}`);
  });

given(lacksKernel("6.7"), () => {
  checkTsrunc("an overlay may have more layers than a page names", async (t) => {
    const names = Array.from({ length: 120 }, (_, i) => `layer-with-a-rather-long-name-of-its-own-${i}`);
    const c = t.container((_, self) => withLayers(self, names));
    t.cleanup(() => void execFileSync("umount", ["-R", c.file("layers")]));
    const at = c.file("layers");
    const lower = names.map((name) => `${at}/${name}`).join(":");
    expect(lower.length).toBeGreaterThan(4096);
    const options = [`lowerdir=${lower},upperdir=${at}/upper,workdir=${at}/work`];
    c.spec.mounts.push({ destination: "/o", type: "overlay", source: "overlay", options });
    const found = (await c.probe("ls=/o")).of("ls=/o") as string[];
    for (const name of names) expect(found).toContain(`of-${name}`);
  });
});

checkTsrunc("options that take more than a page are refused for any other file system", async (t) => {
  const c = t.container((spec) => {
    const options = Array.from({ length: 500 }, () => "size=1048576").concat(`mpol=${"0,".repeat(300)}0`);
    spec.mounts.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options });
  });
  const result = await c.run();
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/a page is all that mount\(2\) takes.*\/mounts\/2\/options/);
});

check("a bind mount takes no options of a file system", async (t) => {
  for (const option of ["size=1m", "nonsense", "uid=7"]) {
    const c = t.container((spec, self) => {
      mkdirSync(self.file("source"));
      spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["rbind", option] });
    });
    const result = await c.tryCreate();
    expect(result.code).not.toBe(0);
    if (isTsrunc()) expect(result.stderr).toContain(option);
  }
});

checkTsrunc("flags of a file system are warned of on a bind mount", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("source"));
    spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["rbind", "sync"] });
    spec.process.args = ["/bin/true"];
  });
  const result = await c.run();
  expect(result).toMatchObject({ code: 0 });
  expect(result.stderr).toMatch(/`sync` is of a whole file system/);
});

for (const namespaced of [true, false])
  checkTsrunc(
    `an option that cgroups do not have is refused ${namespaced ? "in a cgroup namespace" : "where the host's are shown"}`,
    async (t) => {
      for (const type of ["cgroup", "cgroup2"]) {
        const c = t.container((spec) => {
          if (!namespaced) dropNamespace(spec, "cgroup");
          spec.mounts.push({ destination: "/cg", type, source: "cgroup", options: ["ro,nonsense"] });
        });
        const result = await c.tryCreate();
        expect(result.code).toBe(1);
        expect(result.stderr).toMatch(/nonsense.*\/mounts\/2\/options/);
      }
    },
  );

// ---- symbolic links as source and destination ----

/** A file and a directory of the host's, links to them and one that dangles. */
function withLinks(self: Container): void {
  mkdirSync(self.file("source/directory"), { recursive: true });
  writeFileSync(self.file("source/file"), "from the host\n");
  writeFileSync(self.file("source/directory/inner"), "");
  for (const name of ["file", "directory", "nowhere"]) symlinkSync(name, self.file(`source/to-${name}`));
}

for (const target of ["/etc/passwd", "/nowhere", "../../../etc/passwd", "loop"])
  checkTsrunc(`dest-nofollow mounts on the link itself, which points to ${target}`, async (t) => {
    const c = t.container((spec, self) => {
      withLinks(self);
      symlinkSync(target, self.inside("loop"));
      const source = self.file("source/file");
      spec.mounts.push({ destination: "/loop", type: "bind", source, options: ["bind", "dest-nofollow"] });
    });
    const result = await c.probe("read=/loop", "read=/etc/passwd", "stat=/nowhere");
    expect(result.data("/loop")).toBe("from the host\n");
    expect(result.data("/etc/passwd")).toMatch(/^root:/);
    expect(result.of("stat=/nowhere")).toBe("ENOENT");
    expect(readlinkSync(c.inside("loop"))).toBe(target);
  });

checkTsrunc("dest-nofollow follows links on the way, and makes what is missing", async (t) => {
  const c = t.container((spec, self) => {
    withLinks(self);
    symlinkSync("home", self.inside("way"));
    const source = self.file("source/file");
    spec.mounts.push({ destination: "/way/made", type: "bind", source, options: ["bind", "dest-nofollow"] });
  });
  expect((await c.probe("read=/home/made")).data("/home/made")).toBe("from the host\n");
});

checkTsrunc("src-nofollow binds the link itself", async (t) => {
  const c = t.container((spec, self) => {
    withLinks(self);
    const source = self.file("source/to-nowhere");
    spec.mounts.push({ destination: "/link", type: "bind", source, options: ["bind", "src-nofollow"] });
    symlinkSync("/etc/passwd", self.inside("other"));
    spec.mounts.push({
      destination: "/other",
      type: "bind",
      source,
      options: ["bind", "src-nofollow", "dest-nofollow"],
    });
  });
  const result = await c.probe("readlink=/link", "readlink=/other", "read=/etc/passwd");
  expect([result.of("readlink=/link"), result.of("readlink=/other")]).toEqual(["nowhere", "nowhere"]);
  expect(result.data("/etc/passwd")).toMatch(/^root:/);
});

for (const mapped of [false, true])
  checkTsrunc(`copy-symlink makes a link like the source${mapped ? " in a user namespace" : ""}`, async (t) => {
    const c = t.container((spec, self) => {
      withLinks(self);
      if (mapped) {
        useUserNamespace(spec);
        execFileSync("chown", ["-R", "100000:200000", self.rootfs]);
      }
      const add = (name: string, destination: string) =>
        spec.mounts.push({
          destination,
          type: "bind",
          source: self.file(`source/${name}`),
          options: ["rbind", "copy-symlink", "ro"],
        });
      add("to-nowhere", "/made/link");
      add("to-file", "/same");
      add("file", "/file");
      add("directory", "/directory");
      symlinkSync("file", self.inside("same"));
    });
    const result = await c.probe("report", "readlink=/made/link", "readlink=/same", "read=/file", "ls=/directory");
    expect([result.of("readlink=/made/link"), result.of("readlink=/same")]).toEqual(["nowhere", "file"]);
    expect(result.mount("/same")).toBeUndefined();
    expect(result.data("/file")).toBe("from the host\n");
    expect(result.mount("/file")?.options).toContain("ro");
    expect(result.of("ls=/directory")).toEqual(["inner"]);
  });

checkTsrunc("copy-symlink refuses to take another's place, and other words about links", async (t) => {
  const refused = async (destination: string, options: string[], pattern: RegExp) => {
    const c = t.container((spec, self) => {
      withLinks(self);
      symlinkSync("elsewhere", self.inside("other"));
      spec.mounts.push({ destination, type: "bind", source: self.file("source/to-file"), options });
    });
    const result = await c.tryCreate();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(pattern);
  };
  await refused("/other", ["bind", "copy-symlink"], /EEXIST.*\/mounts\/2\b/);
  await refused("/etc/passwd", ["bind", "copy-symlink"], /EEXIST.*\/mounts\/2\b/);
  await refused("/x", ["bind", "copy-symlink", "dest-nofollow"], /excludes.*\/mounts\/2\/options/);
  await refused("/x", ["bind", "copy-symlink", "src-nofollow"], /excludes.*\/mounts\/2\/options/);
});

checkTsrunc("words that say nothing of such a mount are refused", async (t) => {
  for (const [type, option] of [
    ["tmpfs", "copy-symlink"],
    ["tmpfs", "src-nofollow"],
    ["proc", "tmpcopyup"],
  ] as const) {
    const c = t.container((spec) => {
      spec.mounts.push({ destination: "/m", type, source: type, options: [option] });
    });
    const result = await c.tryCreate();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(new RegExp(`\`${option}\`.*/mounts/2/options`));
  }
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(" /m ");
});
