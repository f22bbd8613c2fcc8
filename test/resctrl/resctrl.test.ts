/** `linux.intelRdt` on a file system that behaves as resctrl does: `fake.c` says how. */
import { expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { startCommand } from "../../conformance/lib/runtime.ts";
import type { Spec } from "../../conformance/lib/spec.ts";
import { mounted } from "./mounted.ts";

area();

function wanting(t: Scope, intelRdt: NonNullable<Spec["linux"]>["intelRdt"], patch?: (spec: Spec) => void): Container {
  return t.container((spec) => {
    spec.linux.intelRdt = intelRdt;
    patch?.(spec);
  });
}

const FAILING = { createRuntime: [{ path: "/bin/false" }] };
const LINES = { l3CacheSchema: "L3:0=7f;1=f", memBwSchema: "MB:0=20;1=70" };

check("without a mounted resctrl intelRdt is refused, with a pointer and a hint", async (t) => {
  const refused = await wanting(t, {}).tryCreate();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("no resctrl file system is mounted");
  expect(refused.stderr).toContain("/linux/intelRdt");
  expect(refused.stderr).toContain("mount -t resctrl");
});

check("without intelRdt no resctrl is touched", async (t) => {
  const fs = await mounted(t);
  const c = t.container();
  await c.up({ wrap: fs.wrap });
  await c.down();
  expect(fs.changes()).toEqual([]);
});

check("without closID the group has the container's id, its lines in order, and goes with it", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { ...LINES, schemata: ["MB:1=50", "L3:1=3"] });
  await c.up({ wrap: fs.wrap });
  const pid = await c.pid();
  expect(fs.changes()).toEqual([
    `mkdir /${c.id}`,
    `write /${c.id}/schemata L3:0=7f;1=f|MB:0=20;1=70|MB:1=50|L3:1=3|`,
    `write /${c.id}/tasks ${pid}`,
  ]);
  expect(fs.read(`${c.id}/schemata`)).toBe("    MB:0=20;1=50\n    L3:0=7f;1=3\n");
  expect(fs.read(`${c.id}/tasks`)).toBe(`${pid}\n`);
  await c.down();
  expect(fs.exists(c.id)).toBe(false);
});

check("a group that has the container's id already is used, and stays", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, {});
  fs.make(c.id);
  await c.up({ wrap: fs.wrap });
  expect(fs.read(`${c.id}/tasks`)).toBe(`${await c.pid()}\n`);
  await c.down();
  expect(fs.exists(c.id)).toBe(true);
});

check("exec joins the group, and the monitoring group", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { closID: "gold", enableMonitoring: true, schemata: ["L3:0=f"] });
  await c.up({ wrap: fs.wrap });
  const result = await c.verb("exec", "/bin/true");
  expect(result.stderr).toBe("");
  const written = fs.changes().filter((line) => line.includes("/tasks "));
  const pids = written.map((line) => line.split(" ")[2]);
  expect(written).toEqual([
    `write /gold/tasks ${await c.pid()}`,
    `write /gold/mon_groups/${c.id}/tasks ${await c.pid()}`,
    `write /gold/tasks ${pids[2]}`,
    `write /gold/mon_groups/${c.id}/tasks ${pids[2]}`,
  ]);
  expect(pids[2]).not.toBe(pids[0]);
  await c.down();
});

check("closID names a group that is made where it is not there, and stays", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { closID: "gold", ...LINES });
  await c.up({ wrap: fs.wrap });
  expect(fs.read("gold/tasks")).toBe(`${await c.pid()}\n`);
  const second = wanting(t, { closID: "gold", l3CacheSchema: "L3:1=00f;0=7F", memBwSchema: "MB:0=20" });
  await second.up({ wrap: fs.wrap });
  await second.down();
  await c.down();
  expect(fs.exists("gold")).toBe(true);
});

check("a bandwidth that the kernel has rounded is no other one", async (t) => {
  const fs = await mounted(t);
  fs.make("gold", "MB:0=25\n");
  expect(fs.read("gold/schemata")).toContain("MB:0=30");
  const c = wanting(t, { closID: "gold", memBwSchema: "MB:0=25" });
  await c.up({ wrap: fs.wrap });
  await c.down();
});

for (const [field, value] of [
  ["l3CacheSchema", "L3:0=3"],
  ["memBwSchema", "MB:0=10;1=100"],
] as const) {
  check(`a closID whose group has another ${field} is refused`, async (t) => {
    const fs = await mounted(t);
    fs.make("gold", "L3:0=7\n");
    const before = fs.read("gold/schemata");
    const made = fs.changes().length;
    const refused = await wanting(t, { closID: "gold", [field]: value }).tryCreate({ wrap: fs.wrap });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`/linux/intelRdt/${field}`);
    expect(refused.stderr).toContain(value);
    expect(fs.read("gold/schemata")).toBe(before);
    expect(fs.changes().slice(made)).toEqual([]);
  });
}

check("a closID alone needs a group that is there, whose schemata are left alone", async (t) => {
  const fs = await mounted(t);
  const refused = await wanting(t, { closID: "gold" }).tryCreate({ wrap: fs.wrap });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("/linux/intelRdt/closID");
  expect(fs.changes()).toEqual([]);
  fs.make("gold");
  const c = wanting(t, { closID: "gold" });
  await c.up({ wrap: fs.wrap });
  expect(fs.changes()).toEqual(["mkdir /gold", `write /gold/tasks ${await c.pid()}`]);
  await c.down();
  expect(fs.exists("gold")).toBe(true);
});

check("closID / is the root of resctrl", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { closID: "/", enableMonitoring: true });
  await c.up({ wrap: fs.wrap });
  expect(fs.read("tasks")).toBe(`${await c.pid()}\n`);
  expect(fs.read(`mon_groups/${c.id}/tasks`)).toBe(`${await c.pid()}\n`);
  await c.down();
  expect(fs.exists(`mon_groups/${c.id}`)).toBe(false);
});

check("a closID that is no group is refused", async (t) => {
  const fs = await mounted(t);
  const refused = await wanting(t, { closID: "info" }).tryCreate({ wrap: fs.wrap });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("/linux/intelRdt/closID");
});

check("a monitoring group goes with the container, the class of service stays", async (t) => {
  const fs = await mounted(t);
  fs.make("gold");
  const c = wanting(t, { closID: "gold", enableMonitoring: true });
  await c.up({ wrap: fs.wrap });
  expect(fs.read(`gold/mon_groups/${c.id}/tasks`)).toBe(`${await c.pid()}\n`);
  await c.down();
  expect(fs.exists(`gold/mon_groups/${c.id}`)).toBe(false);
  expect(fs.exists("gold")).toBe(true);
});

check("a monitoring group of that name that is there already is an error, and stays", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { closID: "/", enableMonitoring: true });
  fs.make(`mon_groups/${c.id}`);
  const refused = await c.tryCreate({ wrap: fs.wrap });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("/linux/intelRdt/enableMonitoring");
  expect(fs.exists(`mon_groups/${c.id}`)).toBe(true);
});

check("a failure says what the kernel says: no group is left to be made", async (t) => {
  const fs = await mounted(t, 1);
  fs.make("other");
  const refused = await wanting(t, {}).tryCreate({ wrap: fs.wrap });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("/linux/intelRdt");
  expect(refused.stderr).toContain("ENOSPC");
  expect(refused.stderr).toContain("Out of CLOSIDs");
});

check("schemata that the kernel refuses are an error, and the group goes again", async (t) => {
  const fs = await mounted(t);
  for (const closID of [undefined, "gold"]) {
    const c = wanting(t, { ...(closID === undefined ? {} : { closID }), schemata: ["L4:0=1"] });
    const refused = await c.tryCreate({ wrap: fs.wrap });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("Unknown or unsupported resource name");
    expect(fs.exists(closID ?? c.id)).toBe(false);
  }
});

check("after a failing create groups are as before", async (t) => {
  const fs = await mounted(t);
  fs.make("gold", "L3:0=7\n");
  const before = fs.read("gold/schemata");
  const failing = (spec: Spec) => {
    spec.hooks = FAILING;
  };
  const named = wanting(t, { closID: "silver", enableMonitoring: true, ...LINES }, failing);
  const own = wanting(t, { ...LINES, enableMonitoring: true }, failing);
  const shared = wanting(t, { closID: "gold", schemata: ["L3:0=1"], enableMonitoring: true }, failing);
  for (const c of [named, own, shared]) expect((await c.tryCreate({ wrap: fs.wrap })).code).toBe(1);
  expect(fs.exists("silver")).toBe(false);
  expect(fs.exists(own.id)).toBe(false);
  expect(fs.exists(`gold/mon_groups/${shared.id}`)).toBe(false);
  expect(fs.changes()).toContain("write /gold/schemata L3:0=1|");
  expect(fs.read("gold/schemata")).toBe(before);
});

check("a group that others use by now stays after a failing create", async (t) => {
  const fs = await mounted(t);
  const sleeper = spawn("sleep", ["60"], { stdio: "ignore" });
  t.cleanup(() => void sleeper.kill("SIGKILL"));
  const mount = fs.wrap.at(-1);
  const hook = { path: "/bin/sh", args: ["sh", "-c", `echo ${sleeper.pid} > ${mount}/gold/tasks; false`] };
  const c = wanting(t, { closID: "gold", ...LINES }, (spec) => {
    spec.hooks = { createRuntime: [hook] };
  });
  expect((await c.tryCreate({ wrap: fs.wrap })).code).toBe(1);
  expect(fs.read("gold/tasks")).toBe(`${sleeper.pid}\n`);
});

check("what a killed create left goes with delete --force, and with the next create of that id", async (t) => {
  const fs = await mounted(t);
  const killing = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "kill -9 $PPID"] }] };
  const c = wanting(t, { ...LINES, enableMonitoring: true }, (spec) => {
    spec.hooks = killing;
  });
  expect((await c.tryCreate({ wrap: fs.wrap })).code).not.toBe(0);
  expect(fs.exists(`${c.id}/mon_groups/${c.id}`)).toBe(true);
  await c.delete("--force");
  expect(fs.exists(c.id)).toBe(false);
  expect((await c.tryCreate({ wrap: fs.wrap })).code).not.toBe(0);
  delete c.spec.hooks;
  await c.up({ wrap: fs.wrap });
  expect(fs.read(`${c.id}/mon_groups/${c.id}/tasks`)).toBe(`${await c.pid()}\n`);
  await c.down();
  expect(fs.exists(c.id)).toBe(false);
});

check("run in the foreground takes the group away at its end", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, { ...LINES, enableMonitoring: true });
  await c.probeWith({ wrap: fs.wrap }, "report");
  expect(fs.changes().filter((line) => line.startsWith("rmdir"))).toEqual([
    `rmdir /${c.id}/mon_groups/${c.id}`,
    `rmdir /${c.id}`,
  ]);
});

check("delete works when resctrl is gone", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, {});
  await c.up({ wrap: fs.wrap });
  spawnSync("umount", [fs.wrap.at(-1) ?? ""]);
  await c.down();
});

check("a container in a user namespace joins its group too", async (t) => {
  const fs = await mounted(t);
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const c = wanting(t, {}, (spec) => {
    spec.linux.namespaces.push({ type: "user" });
    spec.linux.uidMappings = ids;
    spec.linux.gidMappings = ids;
    // The table that shows resctrl lies on a file of procfs: for the kernel that is one that hides something.
    spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/proc");
  });
  await c.up({ wrap: fs.wrap });
  expect(fs.read(`${c.id}/tasks`)).toBe(`${await c.pid()}\n`);
  await c.down();
});

check("update writes new schemas to the group", async (t) => {
  const fs = await mounted(t);
  const c = wanting(t, {});
  await c.up({ wrap: fs.wrap });
  const update = (...flags: readonly string[]) => {
    const root = path.dirname(c.stateDirectory);
    const tsrunc = process.env.RUNTIME ?? path.resolve(import.meta.dirname, "../../dist/tsrunc");
    return startCommand([...fs.wrap, tsrunc, "--root", root, "update", ...flags, c.id]).result;
  };
  expect((await update("--l3-cache-schema=L3:0=1", "--mem-bw-schema=MB:1=40")).stderr).toBe("");
  expect(fs.read(`${c.id}/schemata`)).toBe("    MB:0=100;1=40\n    L3:0=1;1=fff\n");
  const refused = await update("--l3-cache-schema=L7:0=1");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("Unknown or unsupported resource name");
  await c.down();
});
