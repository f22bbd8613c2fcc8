import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { cgroupMounts } from "./lib/leaks.ts";
import { mountEntries } from "./lib/probe.ts";
import { DEVPTS, dropNamespace, type Mount, type Spec, SYSFS, useUserNamespace } from "./lib/spec.ts";
import { TAG } from "./lib/workspace.ts";

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

check("a bind mount shows the host's directory and writes arrive there", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push(bindOf(self, "/data", "bind"));
  });
  const result = await c.probe("read=/data/file", "creat=/data/made");
  expect(result.data("/data/file")).toBe("from the host\n");
  expect(existsSync(c.file("source/made"))).toBe(true);
});

check("a file is bound onto a file that is made for it", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.file("one"), "single\n");
    spec.mounts.push({
      destination: "/deep/er/file",
      type: "bind",
      source: self.file("one"),
      options: ["rbind", "ro"],
    });
  });
  const result = await c.probe("read=/deep/er/file", "openw=/deep/er/file");
  expect(result.data("/deep/er/file")).toBe("single\n");
  expect(result.of("openw=/deep/er/file")).toBe("EROFS");
});

check("a relative source of a bind is taken from the bundle", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push({ ...bindOf(self, "/data", "bind"), source: "source" });
  });
  expect((await c.probe("read=/data/file")).data("/data/file")).toBe("from the host\n");
});

check("type none with option bind is a bind mount", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push({ ...bindOf(self, "/data", "rbind"), type: "none" });
  });
  expect((await c.probe("read=/data/file")).data("/data/file")).toBe("from the host\n");
});

check("a bind mount without a type is a bind mount", async (t) => {
  const c = t.container((spec, self) => {
    const { type: _, ...mount } = bindOf(self, "/data", "bind");
    spec.mounts.push(mount);
  });
  expect((await c.probe("read=/data/file")).data("/data/file")).toBe("from the host\n");
});

check("the source of a bind may be a symlink", async (t) => {
  const c = t.container((spec, self) => {
    const mount = bindOf(self, "/data", "bind");
    symlinkSync("source", self.file("alias"));
    spec.mounts.push({ ...mount, source: self.file("alias") });
  });
  expect((await c.probe("read=/data/file")).data("/data/file")).toBe("from the host\n");
});

check("a missing source is refused by name, and nothing is left", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push({ destination: "/data", type: "bind", source: self.file("missing"), options: ["bind"] });
  });
  const result = await c.tryCreate();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("missing");
  expect(await t.leftNow()).toEqual([]);
});

check("a destination is made with mode 0755, for a directory and its parents", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/new/place/here", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probe("report", "stat=/new", "stat=/new/place");
  expect(result.mount("/new/place/here")?.type).toBe("tmpfs");
  expect(result.stat("stat=/new")).toMatchObject({ type: "dir", mode: 0o755, uid: 0 });
  expect(result.stat("stat=/new/place").mode).toBe(0o755);
});

check("mounts are made in the order of config.json, one inside the other", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push(tmpfs());
    spec.mounts.push({ ...bindOf(self, "/m/inner", "bind") });
    spec.mounts.push({ destination: "/m/inner/sub", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probe("report", "read=/m/inner/file", "ls=/m");
  expect(result.data("/m/inner/file")).toBe("from the host\n");
  expect(result.mount("/m/inner/sub")?.type).toBe("tmpfs");
  expect(result.of("ls=/m")).toEqual(["inner"]);
});

check("a later mount on the same destination covers the earlier one", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push(tmpfs(), bindOf(self, "/m", "bind"));
  });
  expect((await c.probe("read=/m/file")).data("/m/file")).toBe("from the host\n");
});

check("tmpcopyup fills a tmpfs with what is below it", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "mode=755"] });
  });
  const result = await c.probe("report", "read=/etc/passwd", "creat=/etc/new");
  expect(result.mount("/etc")?.type).toBe("tmpfs");
  expect(result.data("/etc/passwd")).toMatch(/^root:/);
  expect(result.of("creat=/etc/new")).toBe("OK");
  expect(existsSync(c.inside("etc/new"))).toBe(false);
});

check("tmpcopyup keeps subdirectories, modes, owners and symlinks", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.inside("src/dir"), { recursive: true });
    writeFileSync(self.inside("src/dir/file"), "x", { mode: 0o640 });
    execFileSync("chown", ["12:34", self.inside("src/dir/file")]);
    symlinkSync("dir/file", self.inside("src/link"));
    spec.mounts.push({ destination: "/src", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
  });
  const result = await c.probe("stat=/src/dir/file", "readlink=/src/link");
  expect(result.stat("stat=/src/dir/file")).toMatchObject({ mode: 0o640, uid: 12, gid: 34 });
  expect(result.of("readlink=/src/link")).toBe("dir/file");
});

check("a tmpfs without a mode takes the mode of the directory it covers", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.inside("m"));
    execFileSync("chmod", ["1770", self.inside("m")]);
    spec.mounts.push(tmpfs());
  });
  const result = await c.probe("report", "stat=/m");
  expect(result.stat("stat=/m").mode).toBe(0o1770);
});

check("the mode that a tmpfs has taken shows as its option", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.inside("m"));
    execFileSync("chmod", ["710", self.inside("m")]);
    spec.mounts.push(tmpfs());
  });
  expect((await c.probe("report")).mount("/m")?.superOptions).toContain("mode=710");
});

for (const mapped of [false, true])
  check(
    `a bind shows what earlier mounts have put into its source${mapped ? ", in a user namespace too" : ""}`,
    async (t) => {
      const c = t.container((spec, self) => {
        if (mapped) useUserNamespace(spec);
        for (const name of ["m", "again"]) mkdirSync(self.inside(name));
        spec.mounts.push(bindOf(self, "/m"));
        spec.mounts.push({ ...tmpfs(), destination: "/m/below" });
        const destination = self.inside("again");
        spec.mounts.push({ destination, type: "bind", source: self.inside("m"), options: ["rbind"] });
      });
      mkdirSync(c.file("source/below"));
      const result = await c.probe("read=/again/file", "statfs=/again/below");
      expect(result.data("/again/file")).toBe("from the host\n");
      expect(result.of("statfs=/again/below")).toMatchObject({ type: "1021994" });
    },
  );

check("a symlinked destination is followed inside the rootfs", async (t) => {
  const c = t.container((spec, self) => {
    symlinkSync("/home", self.inside("homes"));
    symlinkSync("../../../../home/app", self.inside("up"));
    spec.mounts.push({ destination: "/homes/app", type: "tmpfs", source: "one" });
    spec.mounts.push({ destination: "/up", type: "tmpfs", source: "two" });
  });
  const { report } = await c.probe("report");
  const sources = mountEntries(report.mounts)
    .filter(({ target }) => target === "/home/app")
    .map(({ source }) => source);
  expect(sources).toEqual(["one", "two"]);
});

check("a symlinked destination that would lead to the host makes nothing there", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("canary"));
    symlinkSync(`../../../../../../../../..${self.file("canary")}`, self.inside("link"));
    spec.mounts.push({ destination: "/link/made", type: "tmpfs", source: "tmpfs" });
  });
  await c.run(); // refused or made inside the root
  expect(readdirSync(c.file("canary"))).toEqual([]);
  expect(await t.leftNow()).toEqual([]);
});

check("a destination with .. stays inside the rootfs", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/home/../../../../m", type: "tmpfs", source: "mark" });
  });
  expect((await c.probe("report")).mount("/m")?.source).toBe("mark");
});

check("a relative destination is taken from the root", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "relative/place", type: "tmpfs", source: "mark" });
  });
  expect((await c.probe("report")).mount("/relative/place")?.source).toBe("mark");
});

check("/proc shows the processes of the container only", async (t) => {
  const result = await t.container().probe("ls=/proc", "readlink=/proc/self");
  expect((result.of("ls=/proc") as string[]).filter((name) => /^\d+$/.test(name))).toEqual(["1"]);
  expect(result.of("readlink=/proc/self")).toBe("1");
});

check("sysfs, mqueue, shm and devpts can be mounted with the usual options", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(DEVPTS, SYSFS);
    spec.mounts.push({
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777", "size=1m"],
    });
    spec.mounts.push({
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    });
  });
  const result = await c.probe("report", "creat=/dev/shm/x", "creat=/sys/x", "stat=/dev/pts/ptmx", "stat=/dev/shm");
  expect([result.mount("/dev/pts")?.type, result.mount("/sys")?.type, result.mount("/dev/mqueue")?.type]).toEqual([
    "devpts",
    "sysfs",
    "mqueue",
  ]);
  expect(result.mount("/sys")?.options).toContain("ro");
  expect(result.of("creat=/dev/shm/x")).toBe("OK");
  expect(result.stat("stat=/dev/shm").mode).toBe(0o1777);
  expect(result.stat("stat=/dev/pts/ptmx")).toMatchObject({ type: "c", major: 5, minor: 2, mode: 0o666 });
});

check("devpts with newinstance does not show the host's terminals", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(DEVPTS);
  });
  expect((await c.probe("ls=/dev/pts")).of("ls=/dev/pts")).toEqual(["ptmx"]);
});

function withCgroupMount(spec: Spec, ...options: string[]): void {
  spec.mounts.push(SYSFS);
  spec.mounts.push({
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["nosuid", "noexec", "nodev", "relatime", ...options],
  });
}

/** Directory names of the host's v1 hierarchies below /sys/fs/cgroup. */
function hierarchies(): readonly string[] {
  return cgroupMounts()
    .filter(({ type, target }) => type === "cgroup" && target.startsWith("/sys/fs/cgroup/"))
    .map(({ target }) => target.slice(15));
}

for (const namespaced of [true, false])
  check(
    `type cgroup shows the container's own cgroup ${namespaced ? "as root of a cgroup namespace" : "in the host's cgroup namespace"}`,
    async (t) => {
      const c = t.container((spec) => {
        if (!namespaced) dropNamespace(spec, "cgroup");
        withCgroupMount(spec, "ro");
      });
      const file = cgroupVersion() === 2 ? "/sys/fs/cgroup/cgroup.procs" : "/sys/fs/cgroup/pids/cgroup.procs";
      const result = await c.probe("report", `read=${file}`, `openw=${file}`);
      // a cgroup2 mount in the host's cgroup namespace shows the whole tree (cgroup_namespaces(7))
      if (namespaced || cgroupVersion() === 1) expect(result.data(file).trim()).toBe("1");
      expect(result.of(`openw=${file}`)).toBe("EROFS");
      if (cgroupVersion() === 2) expect(result.mount("/sys/fs/cgroup")?.type).toBe("cgroup2");
      else
        for (const name of hierarchies())
          expect({ name, type: result.mount(`/sys/fs/cgroup/${name}`)?.type }).toEqual({ name, type: "cgroup" });
    },
  );

check("type cgroup without ro can be written by the container's root", async (t) => {
  const c = t.container((spec) => {
    withCgroupMount(spec);
  });
  const directory = `/sys/fs/cgroup/${cgroupVersion() === 2 ? "" : "pids/"}${TAG}`;
  const result = await c.probe(`mkdir=${directory}`, `rmdir=${directory}`);
  expect([result.of(`mkdir=${directory}`), result.of(`rmdir=${directory}`)]).toEqual(["OK", "OK"]);
});

check("cgroups that the container has made below its own are removed with it", async (t) => {
  const c = t.container((spec) => {
    withCgroupMount(spec);
  });
  const base = `/sys/fs/cgroup/${cgroupVersion() === 2 ? "" : "pids/"}${TAG}`;
  const result = await c.probe(`mkdir=${base}-a`, `mkdir=${base}-a/b`, `mkdir=${base}-c`);
  expect(result.of(`mkdir=${base}-a/b`)).toBe("OK");
  expect(await t.leftNow()).toEqual([]);
});

check("mounts work in a user namespace: proc, sysfs, tmpfs, devpts, mqueue and binds", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    spec.mounts.push(DEVPTS, SYSFS, tmpfs("size=1m"), bindOf(self, "/data", "rbind", "ro"));
    spec.mounts.push({
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    });
  });
  mkdirSync(c.inside("m"));
  mkdirSync(c.inside("data"));
  const result = await c.probe("report", "read=/data/file", "creat=/m/x", "openw=/data/file");
  expect(result.data("/data/file")).toBe("from the host\n");
  expect(result.of("creat=/m/x")).toBe("OK");
  expect(result.of("openw=/data/file")).not.toBe("OK");
});

check("a bind mount in a user namespace keeps the locked flags of its source", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    spec.mounts.push(bindOf(self, "/m", "rbind", "ro"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=755", "tmpfs", self.file("source")]);
  });
  mkdirSync(c.inside("m"));
  try {
    expect((await c.probe("report")).mount("/m")?.options).toContain("noexec");
  } finally {
    execFileSync("umount", [c.file("source")]);
  }
});

check("a bind onto a file through a directory that is a file is refused and leaves nothing", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/etc/passwd/x", type: "tmpfs", source: "tmpfs" });
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("a directory bound onto a file is refused and leaves nothing", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts.push(bindOf(self, "/etc/passwd", "bind"));
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("an unknown file system type is refused and leaves nothing", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/m", type: "nosuchfs", source: "x" });
  });
  const result = await c.tryCreate();
  expect(result.code).not.toBe(0);
  expect(result.stderr).not.toBe("");
  expect(await t.leftNow()).toEqual([]);
});

check("a hundred mounts are made", async (t) => {
  const c = t.container((spec, self) => {
    for (let i = 0; i < 100; i++) spec.mounts.push(bindOf(self, `/many/${i}`, "bind", "ro"));
  });
  const result = await c.probe("report");
  expect(mountEntries(result.report.mounts).filter(({ target }) => target.startsWith("/many/"))).toHaveLength(100);
});

check("no mount of the container shows in the host's mount table", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(tmpfs());
  });
  await c.up();
  expect((await t.leftNow()).filter((line) => line.startsWith("mount"))).toEqual([]);
  expect(statSync(c.rootfs).isDirectory()).toBe(true);
});
