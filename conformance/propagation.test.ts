/** Of the mounts of a container the host sees none, whatever propagation the host has and config.json asks for. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given, type Scope } from "./lib/harness.ts";
import { cgroupMounts } from "./lib/leaks.ts";
import { lacksKernel } from "./lib/needs.ts";
import { mountLines } from "./lib/proc.ts";
import { startCommand, until } from "./lib/runtime.ts";
import { DEVPTS, dropNamespace, grant, type Spec } from "./lib/spec.ts";
import { TAG, watcherProgram } from "./lib/workspace.ts";

area();

function mount(...args: string[]): void {
  execFileSync("mount", args);
}

function unmountLater(t: Scope, path: string): void {
  // Where one mount lies on another and the host's root is shared, both may go at once: the guard sees what stays.
  t.cleanup(() => {
    spawnSync("umount", ["-R", "-l", path]);
  });
}

/** The host's mounts of this run. */
const ours = () => mountLines().filter((line) => line.includes(TAG));

/** How the directory that bundle and rootfs lie in is mounted on the host. */
const HOSTS = ["shared", "slave", "private", "unbindable"] as const;

/** Mounts the bundle on itself, for the time of the test. */
function mountBundle(t: Scope, c: Container, kind: (typeof HOSTS)[number]): void {
  mount("--bind", c.bundle, c.bundle);
  unmountLater(t, c.bundle);
  mount(kind === "private" || kind === "unbindable" ? `--make-${kind}` : "--make-shared", c.bundle);
  if (kind !== "slave") return;
  mount("--bind", c.bundle, c.bundle);
  unmountLater(t, c.bundle);
  mount("--make-slave", c.bundle);
}

/** Has the namespaces of the host and of a slave of it watched; the result ends it, and tells what came in meanwhile. */
async function watch(): Promise<() => Promise<readonly string[]>> {
  const watchers = ["unchanged", "slave"].map((kind) =>
    startCommand(["unshare", "--mount", "--propagation", kind, watcherProgram()]),
  );
  const text = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
  for (const { stdoutFile } of watchers) await until("the watcher", () => text(stdoutFile).includes("ready"));
  return async () => {
    for (const { child } of watchers) child.kill("SIGTERM");
    const results = await Promise.all(watchers.map(({ result }) => result));
    for (const { stdout } of results) expect(stdout.endsWith("end\n")).toBe(true);
    return results.flatMap(({ stdout }) => stdout.split("\n")).filter((line) => line.includes(TAG));
  };
}

/** Mounts, masks and a read-only path, in the root and in a mount of the host's that lies in it. */
function fill(spec: Spec, self: Container): void {
  mkdirSync(self.inside("vol"));
  spec.mounts.push(DEVPTS, { destination: "/vol/in", type: "tmpfs", source: "inside" });
  spec.linux.maskedPaths = ["/proc/kcore", "/vol/masked", "/home"];
  spec.linux.readonlyPaths = ["/vol/readonly", "/etc"];
}

/** Mounts something on the rootfs' own `vol`, as an engine or an administrator may. */
function mountVolume(c: Container): void {
  mount("-t", "tmpfs", "-o", "mode=755", "volume", c.inside("vol"));
  for (const name of ["masked", "readonly"]) mkdirSync(c.inside(`vol/${name}`));
}

const VALUES = ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"] as const;

for (const host of HOSTS)
  for (const value of [undefined, ...VALUES])
    check(`below a ${host} mount with rootfsPropagation ${value ?? "unset"} the host sees no mount`, async (t) => {
      for (const mountPoint of [false, true]) {
        const c = t.container(fill);
        if (value !== undefined) c.spec.linux.rootfsPropagation = value;
        mountBundle(t, c, host);
        // A mount point of its own, which is how engines give a rootfs.
        if (mountPoint && host !== "unbindable") {
          mount("--bind", c.rootfs, c.rootfs);
        }
        mountVolume(c);
        const before = ours();
        const seen = await watch();
        await c.up();
        expect(ours()).toEqual(before);
        await c.down();
        c.spec.process.args = ["/bin/true"];
        expect(await c.run()).toMatchObject({ code: 0 });
        c.spec.mounts.push({ destination: "/etc/passwd/x", type: "tmpfs", source: "tmpfs" });
        expect((await c.tryCreate()).code).not.toBe(0);
        expect(await seen()).toEqual([]);
        expect(ours()).toEqual(before);
      }
    });

/** A directory of the host's that is a shared mount, with an empty directory in it; `path` is one in the bundle. */
function shareDirectory(t: Scope, c: Container): void {
  mkdirSync(c.file("source"));
  mount("-t", "tmpfs", "-o", "mode=755", "source", c.file("source"));
  unmountLater(t, c.file("source"));
  mount("--make-rshared", c.file("source"));
  for (const name of ["sub", "other", "masked", "readonly"]) mkdirSync(c.file(`source/${name}`));
}

function withShared(c: Container, ...options: string[]): void {
  c.spec.mounts.push({ destination: "/v", type: "bind", source: c.file("source"), options: ["rbind", ...options] });
}

const onHost = (source: string) => ours().filter((line) => line.includes(` ${source} `));

for (const value of ["shared", "rshared"] as const)
  check(`with rootfsPropagation ${value} what a program mounts in an rshared bind is seen on the host`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.rootfsPropagation = value;
      grant(spec, "CAP_SYS_ADMIN");
    });
    shareDirectory(t, c);
    withShared(c, "rshared");
    c.spec.process.args = ["/bin/mount", "-t", "tmpfs", "program", "/v/sub"];
    expect(await c.run()).toMatchObject({ code: 0 });
    expect(onHost("program")).toHaveLength(1);
    mount("-t", "tmpfs", "late", c.file("source/other"));
    await expect((async () => (await c.probe("report")).mount("/v/other")?.source)()).resolves.toBe("late");
  });

for (const option of ["rslave", "rprivate", "slave", "private"])
  check(`what a program mounts in a bind with ${option} is not seen on the host`, async (t) => {
    for (const value of [undefined, "shared", "rshared", "slave", "private"] as const) {
      const c = t.container((spec) => {
        if (value !== undefined) spec.linux.rootfsPropagation = value;
        grant(spec, "CAP_SYS_ADMIN");
      });
      shareDirectory(t, c);
      withShared(c, option);
      c.spec.process.args = ["/bin/mount", "-t", "tmpfs", "program", "/v/sub"];
      expect(await c.run()).toMatchObject({ code: 0 });
      expect(onHost("program")).toEqual([]);
    }
  });

// Linux 5.15 lets a mount come back into a group (MOVE_MOUNT_SET_GROUP).
given(lacksKernel("5.15"), () => {
  checkTsrunc("of what is mounted for the container in an rshared bind the host sees nothing", async (t) => {
    for (const value of ["shared", "rshared", "slave", "private", "unbindable"] as const) {
      const c = t.container((spec) => {
        spec.linux.rootfsPropagation = value;
        grant(spec, "CAP_SYS_ADMIN");
      });
      shareDirectory(t, c);
      withShared(c, "rshared");
      const add = (destination: string, options: string[] = []) =>
        c.spec.mounts.push({ destination, type: "tmpfs", source: "runtimes", options });
      add("/v/other");
      add("/v/made/by/it");
      add("/v/classic", ["silent"]);
      c.spec.mounts.push({ destination: "/v/bind", type: "bind", source: c.file("source"), options: ["bind"] });
      c.spec.linux.maskedPaths = ["/v/masked"];
      c.spec.linux.readonlyPaths = ["/v/readonly"];
      const seen = await watch();
      c.spec.process.args = ["/bin/true"];
      expect(await c.run()).toMatchObject({ code: 0, stderr: "" });
      const inside = await c.probe("report", "creat=/v/readonly/x", "creat=/v/masked/x");
      expect(await seen()).toEqual([]);
      for (const path of ["/v/other", "/v/made/by/it", "/v/classic"])
        expect(inside.mount(path)?.source).toBe("runtimes");
      expect(inside.of("creat=/v/readonly/x")).toBe("EROFS");
      expect(inside.of("creat=/v/masked/x")).toBe("EROFS");
      // Afterwards the bind is again what was asked for.
      c.spec.process.args = ["/bin/mount", "-t", "tmpfs", "program", "/v/sub"];
      expect(await c.run()).toMatchObject({ code: 0 });
      expect(onHost("program")).toHaveLength(1);
      execFileSync("umount", [c.file("source/sub")]);
    }
  });
});

/** Makes `$target` a shared mount of a namespace of its own, and fails where the command changes what is mounted there. */
const WITH_SHARED_MOUNT = `
mount --bind "$target" "$target" && mount --make-shared "$target" || exit 98
cat /proc/self/mountinfo >"$before"
"$@" || exit
cat /proc/self/mountinfo | cmp -s - "$before" || exit 99`;

checkTsrunc("what hides a part of the host's cgroups in the container does not hide it on the host", async (t) => {
  const [{ type, target } = { type: "", target: "" }] = cgroupMounts();
  for (const value of ["slave", "private", "shared"] as const) {
    const c = t.container((spec) => {
      spec.linux.rootfsPropagation = value;
      dropNamespace(spec, "cgroup");
      const options = value === "shared" ? ["rslave"] : [];
      spec.mounts.push({ destination: "/cg", type: "cgroup", source: "cgroup", options });
      spec.linux.maskedPaths = [type === "cgroup2" ? "/cg/cgroup.procs" : `/cg/${path.basename(target)}/cgroup.procs`];
    });
    c.spec.process.args = ["/bin/true"];
    const wrap = ["unshare", "--mount", "/bin/sh", "-c", WITH_SHARED_MOUNT, "sh"];
    expect(await c.run({ wrap, env: { target, before: c.file("before") } })).toMatchObject({ code: 0, stderr: "" });
  }
});

given(lacksKernel("5.15"), () => {
  checkTsrunc("the terminal's /dev/console is not seen on the host through a shared /dev", async (t) => {
    const c = t.container((spec, self) => {
      spec.linux.rootfsPropagation = "rshared";
      spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/dev");
      mkdirSync(self.file("dev"));
      spec.mounts.push({ destination: "/dev", type: "bind", source: self.file("dev"), options: ["rbind", "rshared"] });
      spec.mounts.push({ ...DEVPTS, options: [...(DEVPTS.options ?? []), "rprivate"] });
      spec.process.terminal = true;
    });
    mount("-t", "tmpfs", "-o", "mode=755", "dev", c.file("dev"));
    unmountLater(t, c.file("dev"));
    mount("--make-rshared", c.file("dev"));
    mkdirSync(c.file("dev/pts"));
    const seen = await watch();
    c.spec.process.args = ["/bin/true"];
    expect(await c.run()).toMatchObject({ code: 0 });
    expect(await seen()).toEqual([]);
  });
});

check("with --no-pivot nothing is moved onto the host's root", async (t) => {
  for (const value of [undefined, "shared", "rshared", "slave"] as const) {
    const c = t.container(fill);
    if (value !== undefined) c.spec.linux.rootfsPropagation = value;
    mountBundle(t, c, "shared");
    mountVolume(c);
    const before = ours();
    const seen = await watch();
    c.spec.process.args = ["/bin/true"];
    expect(await c.run({ flags: ["--no-pivot"] })).toMatchObject({ code: 0 });
    expect(await seen()).toEqual([]);
    expect(ours()).toEqual(before);
  }
});

checkTsrunc("a mount's own propagation holds whatever rootfsPropagation says of all mounts", async (t) => {
  for (const value of ["rshared", "rslave", "rprivate", "runbindable"] as const) {
    const c = t.container((spec) => {
      spec.linux.rootfsPropagation = value;
      const add = (destination: string, option: string) =>
        spec.mounts.push({ destination, type: "tmpfs", source: "tmpfs", options: [option] });
      add("/shared", "rshared");
      add("/private", "rprivate");
      add("/unbindable", "unbindable");
    });
    const report = await c.probe("report");
    expect(report.mount("/shared")?.propagation.join(" ")).toMatch(/^shared:\d+$/);
    expect(report.mount("/private")?.propagation).toEqual([]);
    expect(report.mount("/unbindable")?.propagation).toEqual(["unbindable"]);
  }
});
