import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { mountEntries } from "./lib/probe.ts";
import { runtime } from "./lib/runtime.ts";
import { dropNamespace, grant, useUserNamespace } from "./lib/spec.ts";

area();

check("--config names another file than config.json; paths in it are relative to the bundle", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "echo other; cat /data/file"];
    spec.mounts.push({ destination: "/data", type: "bind", source: "data", options: ["bind"] });
  });
  mkdirSync(c.file("data"));
  writeFileSync(c.file("data/file"), "of the bundle\n");
  mkdirSync(c.file("elsewhere"));
  writeFileSync(c.file("elsewhere/other.json"), JSON.stringify(c.spec));
  c.spec.process.args = ["/bin/false"];
  c.save();
  const cwd = c.file("elsewhere");
  for (const flags of [["--config", "other.json"], ["-f", "other.json"], [`--config=${cwd}/other.json`]]) {
    const ran = await runtime(["run", "--bundle", c.bundle, ...flags, c.id], { cwd });
    expect(ran).toMatchObject({ code: 0, stdout: "other\nof the bundle\n" });
  }
  const created = await runtime(["create", "--bundle", "..", "--config", "other.json", c.id], {
    cwd,
    stdout: c.outputFile,
  });
  expect(created).toMatchObject({ code: 0, stderr: "" });
  c.known = true;
  rmSync(c.file("elsewhere"), { recursive: true });
  expect((await c.state()).bundle).toBe(c.bundle);
  await c.start();
  await c.waitForOutput("of the bundle\n");
  await c.waitForStatus("stopped");
  await c.delete();
});

check("--config with a file that is not there is refused by its name and leaves nothing", async (t) => {
  const c = t.container();
  const result = await c.tryCreate({ flags: ["--config", c.file("none.json")] });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("none.json");
  expect(await t.leftNow()).toEqual([]);
});

check("root.readonly makes the root read-only and leaves mounts in it as they are", async (t) => {
  const c = t.container((spec) => {
    spec.root.readonly = true;
    spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probe("report", "creat=/x", "creat=/tmp/x", "openrw=/dev/null");
  expect(result.mount("/")?.options).toContain("ro");
  expect([result.of("creat=/x"), result.of("creat=/tmp/x"), result.of("openrw=/dev/null")]).toEqual([
    "EROFS",
    "OK",
    "OK",
  ]);
});

check("without root.readonly the root can be written, and it is the bundle's directory", async (t) => {
  const c = t.container();
  expect((await c.probe("creat=/made-inside")).of("creat=/made-inside")).toBe("OK");
  expect(existsSync(c.inside("made-inside"))).toBe(true);
});

check("destinations of mounts are made in a read-only root too", async (t) => {
  const c = t.container((spec) => {
    spec.root.readonly = true;
    spec.mounts.push({ destination: "/not/there/yet", type: "tmpfs", source: "tmpfs" });
  });
  expect((await c.probe("report")).mount("/not/there/yet")?.type).toBe("tmpfs");
});

check("the root of the mount table is the root.path and nothing of the host's is in it", async (t) => {
  const entries = mountEntries((await t.container().probe("report")).report.mounts);
  expect(entries.map(({ target }) => target)).toEqual(["/", "/proc", "/dev"]);
});

check("an absolute root.path works", async (t) => {
  const c = t.container((spec, self) => {
    spec.root.path = self.rootfs;
  });
  expect((await c.probe("report")).report.pid).toBe(1);
});

check("a bundle path that is relative or a symlink works", async (t) => {
  const c = t.container();
  symlinkSync(c.bundle, c.file("self"));
  c.spec.process.args = ["/bin/echo", "hello"];
  c.save();
  expect(await runtime(["run", "--bundle", ".", c.id], { cwd: c.bundle })).toMatchObject({
    code: 0,
    stdout: "hello\n",
  });
  expect(await runtime(["run", "--bundle", "self", c.id], { cwd: c.bundle })).toMatchObject({
    code: 0,
    stdout: "hello\n",
  });
});

check(".. in the container's root leads nowhere", async (t) => {
  const result = await t.container().probe("stat=/", "stat=/..", "stat=/../../..");
  expect(result.stat("stat=/..").ino).toBe(result.stat("stat=/").ino);
  expect(result.stat("stat=/../../..").ino).toBe(result.stat("stat=/").ino);
});

const PROPAGATION = [
  ["private", /^$/],
  ["rprivate", /^$/],
  ["slave", /^$|^master:\d+/],
  ["rslave", /^$|^master:\d+/],
  ["shared", /^shared:\d+/],
  ["rshared", /^shared:\d+/],
] as const;
for (const [value, pattern] of PROPAGATION)
  check(`rootfsPropagation ${value} is shown on the root mount`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.rootfsPropagation = value;
    });
    expect((await c.probe("report")).mount("/")?.propagation.join(" ")).toMatch(pattern);
  });

check("rootfsPropagation unbindable forbids to bind the root", async (t) => {
  const c = t.container((spec) => {
    spec.linux.rootfsPropagation = "unbindable";
  });
  expect((await c.probe("report")).mount("/")?.propagation).toEqual(["unbindable"]);
});

check("rootfsPropagation rslave lets mounts of a shared host directory come in", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("shared/sub"), { recursive: true });
    execFileSync("mount", ["--bind", self.file("shared"), self.file("shared")]);
    execFileSync("mount", ["--make-shared", self.file("shared")]);
    spec.linux.rootfsPropagation = "rslave";
    spec.mounts.push({
      destination: "/shared",
      type: "bind",
      source: self.file("shared"),
      options: ["rbind", "rslave"],
    });
  });
  try {
    await c.up();
    execFileSync("mount", ["-t", "tmpfs", "late", c.file("shared/sub")]);
    const table = readFileSync(`/proc/${await c.pid()}/mountinfo`, "utf8")
      .trimEnd()
      .split("\n");
    expect(mountEntries(table).some(({ target, source }) => target === "/shared/sub" && source === "late")).toBe(true);
  } finally {
    await c.delete("--force");
    execFileSync("umount", ["-R", c.file("shared")]);
  }
});

check("--no-pivot enters the rootfs without pivot_root", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probeWith({ flags: ["--no-pivot"] }, "stat=/bin/probe", "ls=/");
  expect(result.stat("stat=/bin/probe").type).toBe("file");
  expect(result.of("ls=/") as string[]).toContain("home");
});

check("with --no-pivot the host's procfs does not let a user namespace mount a whole one", async (t) => {
  const c = t.container((spec) => {
    spec.linux.maskedPaths = ["/proc/acpi", "/proc/kcore"];
    spec.process.args = ["/bin/busybox", "unshare", "-mUrpf", "/bin/busybox", "mount", "-t", "proc", "proc", "/proc"];
    grant(spec, "CAP_SETFCAP");
  });
  const result = await c.run({ flags: ["--no-pivot"] });
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("permission denied");
});

check("a read-only root works in the host's mount namespace, and is gone afterwards", async (t) => {
  const c = t.container((spec) => {
    dropNamespace(spec, "mount");
    spec.root.readonly = true;
    spec.mounts = [];
  });
  expect((await c.probe("creat=/new")).of("creat=/new")).toBe("EROFS");
});

check("a rootfs on a tmpfs works", async (t) => {
  const c = t.container();
  const place = c.file("ram");
  mkdirSync(place);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", place]);
  try {
    execFileSync("cp", ["-a", c.rootfs, `${place}/rootfs`]);
    c.spec.root.path = "ram/rootfs";
    expect((await c.probe("report")).report.pid).toBe(1);
  } finally {
    execFileSync("umount", [place]);
  }
});

check("a rootfs that is a mount point of its own works", async (t) => {
  const c = t.container();
  execFileSync("mount", ["--bind", c.rootfs, c.rootfs]);
  try {
    expect((await c.probe("report")).report.pid).toBe(1);
  } finally {
    execFileSync("umount", [c.rootfs]);
  }
});

check("a rootfs below a shared mount works and nothing propagates back", async (t) => {
  const c = t.container();
  execFileSync("mount", ["--bind", c.bundle, c.bundle]);
  execFileSync("mount", ["--make-shared", c.bundle]);
  try {
    expect((await c.probe("report")).report.pid).toBe(1);
    expect((await t.leftNow()).filter((line) => line.includes("rootfs"))).toEqual([]);
  } finally {
    execFileSync("umount", [c.bundle]);
  }
});

check("a rootfs with an empty /proc, /sys and /dev missing gets them made", async (t) => {
  const c = t.container();
  for (const name of ["proc", "sys", "dev"]) execFileSync("rmdir", [c.inside(name)]);
  const result = await c.probe("report", "stat=/proc");
  expect(result.mount("/proc")?.type).toBe("proc");
});

check("root.readonly works in a user namespace", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.root.readonly = true;
  });
  expect((await c.probe("report")).mount("/")?.options).toContain("ro");
});
