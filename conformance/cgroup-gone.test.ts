/** A container whose cgroups somebody removed after moving its processes elsewhere. */
import { expect } from "bun:test";
import { existsSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupPath, hierarchyRoots } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { area, check } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";

area();

/** Moves what is in the container's cgroups to the root of each hierarchy, and removes them. */
function removeCgroups(name: string): void {
  const roots = hierarchyRoots().filter((root) => existsSync(path.join(root, name)));
  expect(roots).not.toEqual([]);
  for (const root of roots) {
    const pids = readFileSync(path.join(root, name, "cgroup.procs"), "utf8").split("\n");
    for (const pid of pids) if (pid !== "") writeFileSync(path.join(root, "cgroup.procs"), pid);
    rmdirSync(path.join(root, name));
  }
}

function named(spec: Container["spec"], self: Container): void {
  spec.linux.cgroupsPath = `/${self.id}-gone`;
}

check("delete --force removes a running container whose cgroups are gone", async (t) => {
  const c = t.container(named);
  await c.up();
  removeCgroups(`${c.id}-gone`);
  expect(await c.verb("delete", "--force")).toMatchObject({ code: 0, stderr: "" });
  expect(await t.leftNow()).toEqual([]);
});

if (cgroupVersion() === 2)
  check("exec goes where the first process is when the container's cgroup is gone", async (t) => {
    const c = t.container((spec, self) => {
      named(spec, self);
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "cgroup");
    });
    await c.up();
    removeCgroups(`${c.id}-gone`);
    const pidFile = c.file("exec.pid");
    const result = await c.verb("exec", "--detach", `--pid-file=${pidFile}`, "/bin/probe", "wait");
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(cgroupPath(Number(readFileSync(pidFile, "utf8")), "pids")).toBe("/");
  });
