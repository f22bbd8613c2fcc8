/** A container whose cgroups are not as the runtime made them: removed, or divided further. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupDirectory, cgroupPath, hierarchyRoots } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given } from "./lib/harness.ts";
import { lacksCgroup } from "./lib/needs.ts";

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

given(lacksCgroup(2), () => {
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
});

given(lacksCgroup(2), () => {
  checkTsrunc("exec into a cgroup that has controllers enabled names it", async (t) => {
    const c = t.container(named);
    await c.up();
    const pid = await c.pid();
    const top = cgroupDirectory(pid, "pids");
    mkdirSync(path.join(top, "inner"));
    writeFileSync(path.join(top, "inner", "cgroup.procs"), String(pid));
    writeFileSync(path.join(top, "cgroup.subtree_control"), "+pids");
    expect((await c.verb("exec", "/bin/true")).code).toBe(0);
    const { code, stderr } = await c.verb("exec", "--cgroup=/", "/bin/true");
    expect(code).toBe(255);
    expect(stderr).toContain(`cgroup \`${top}\` takes no process: device or resource busy (EBUSY)`);
    expect(stderr).toContain("--cgroup");
  });

  checkTsrunc("exec into a cgroup beside a threaded one names it", async (t) => {
    const c = t.container(named);
    await c.up();
    const top = cgroupDirectory(await c.pid(), "pids");
    for (const name of ["threads", "other"]) mkdirSync(path.join(top, name));
    writeFileSync(path.join(top, "threads", "cgroup.type"), "threaded");
    const { code, stderr } = await c.verb("exec", "--cgroup=other", "/bin/true");
    expect(code).toBe(255);
    expect(stderr).toContain(`cgroup \`${top}/other\` takes no process: operation not supported (EOPNOTSUPP)`);
  });
});
