/** Which cgroup a container gets, and whose it is. */
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import path from "node:path";
import { cgroupDirectory, cgroupPath, hasController, hierarchyRoots, readControl } from "./lib/cgroup.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given, type Scope } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { lacksCgroup } from "./lib/needs.ts";
import { dropNamespace, useUserNamespace } from "./lib/spec.ts";
import { TAG } from "./lib/workspace.ts";

area();

const V2 = cgroupVersion() === 2;

check("the container is in a cgroup of its own in every hierarchy", async (t) => {
  const c = t.container();
  await c.up();
  const pid = await c.pid();
  for (const controller of ["memory", "pids", "cpu", "freezer", "devices"].filter((name) => V2 || hasController(name)))
    expect(cgroupPath(pid, controller)).toContain(c.id);
});

check("an absolute cgroupsPath is taken from the root of the hierarchies, and removed by delete", async (t) => {
  const c = t.container((spec, self) => {
    spec.linux.cgroupsPath = `/${self.id}-absolute`;
  });
  await c.up();
  const pid = await c.pid();
  expect(cgroupPath(pid, "pids")).toBe(`/${c.id}-absolute`);
  const directory = cgroupDirectory(pid, "pids");
  expect(readControl(pid, "pids", "cgroup.procs")).toBe(String(pid));
  await c.down();
  expect(existsSync(directory)).toBe(false);
});

/** Makes a parent cgroup in every hierarchy for the time of a test. */
function parentCgroup(t: Scope, name: string): void {
  for (const root of hierarchyRoots()) {
    mkdirSync(path.join(root, name), { recursive: true });
    t.cleanup(() => {
      if (existsSync(path.join(root, name))) rmdirSync(path.join(root, name));
    });
  }
}

check("a nested cgroupsPath leaves its parent where it was", async (t) => {
  const parent = `${TAG}-parent`;
  parentCgroup(t, parent);
  const c = t.container((spec, self) => {
    spec.linux.cgroupsPath = `/${parent}/${self.id}`;
  });
  await c.up();
  expect(cgroupPath(await c.pid(), "pids")).toBe(`/${parent}/${c.id}`);
  await c.down();
  for (const root of hierarchyRoots())
    expect(readdirSync(path.join(root, parent)).filter((name) => name.includes(c.id))).toEqual([]);
});

check("a relative cgroupsPath is used and removed", async (t) => {
  const c = t.container((spec, self) => {
    spec.linux.cgroupsPath = `${self.id}-relative`;
  });
  await c.up();
  expect(path.basename(cgroupPath(await c.pid(), "pids"))).toBe(`${c.id}-relative`);
  await c.down();
  expect(await t.leftNow()).toEqual([]);
});

check("a cgroupsPath with .. stays below the hierarchy", async (t) => {
  const c = t.container((spec, self) => {
    spec.linux.cgroupsPath = `/../../../${self.id}-dots`;
  });
  const result = await c.tryCreate();
  if (result.code !== 0) return expect(await t.leftNow()).toEqual([]);
  const directory = cgroupDirectory(await c.pid(), "pids");
  expect(statSync(directory).isDirectory()).toBe(true);
  expect(path.normalize(directory)).toMatch(/^\/sys\/fs\/cgroup/);
});

given(lacksCgroup(2), () => {
  for (const [uid, options, owner] of [
    [0, ["nosuid"], 100_000],
    [7, ["nosuid"], 100_007],
    [7, ["nosuid", "ro"], 0],
  ] as const)
    check(`the cgroup of uid ${uid}, mounted ${options}, is that of ${owner} on the host`, async (t) => {
      const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      const c = t.container((spec) => {
        spec.process.user = { uid, gid: uid };
        spec.linux.namespaces.push({ type: "user" });
        spec.linux.uidMappings = ids;
        spec.linux.gidMappings = ids;
        const mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...options] };
        spec.mounts.push({ destination: "/sys", type: "tmpfs", source: "tmpfs" }, mount);
      });
      await c.up();
      const directory = cgroupDirectory(await c.pid(), "pids");
      const owners = ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"].map(
        (file) => statSync(path.join(directory, file)).uid,
      );
      expect(owners).toEqual([owner, owner, owner, owner]);
      expect(statSync(path.join(directory, "cgroup.max.depth")).uid).toBe(0);
      await c.down();
    });
});

given(lacksCgroup(2), () => {
  check("without a cgroup namespace of its own the container's cgroup keeps its owner", async (t) => {
    const c = t.container((spec) => {
      useUserNamespace(spec);
      dropNamespace(spec, "cgroup");
      spec.mounts.push(
        { destination: "/sys", type: "tmpfs", source: "tmpfs" },
        { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid"] },
      );
    });
    await c.up();
    const directory = cgroupDirectory(await c.pid(), "pids");
    expect([statSync(directory).uid, statSync(path.join(directory, "cgroup.procs")).uid]).toEqual([0, 0]);
    await c.down();
  });
});

check("the same cgroupsPath is the same place, again and again", async (t) => {
  const c = t.container((spec, self) => {
    spec.linux.cgroupsPath = `/${self.id}-parent/place`;
  });
  const places: string[] = [];
  for (let i = 0; i < 2; i++) {
    await c.up();
    places.push(cgroupDirectory(await c.pid(), "pids"));
    await c.down();
  }
  expect(places[0]).toMatch(/-parent\/place$/);
  expect(places[1]).toBe(places[0]);
  for (const root of hierarchyRoots()) {
    const parent = path.join(root, `${c.id}-parent`);
    if (existsSync(parent)) rmdirSync(parent);
  }
});
