import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { cgroupDirectory } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given, type Scope } from "./lib/harness.ts";
import { lacksAny, lacksCgroup, lacksController } from "./lib/needs.ts";
import { until } from "./lib/runtime.ts";
import { dropNamespace } from "./lib/spec.ts";

area();

/** A container in the host's pid namespace that runs a shell script, once it has printed something. */
async function shared(t: Scope, script: string): Promise<{ c: Container; pid: number; members: () => number[] }> {
  const c = t.container((spec) => {
    dropNamespace(spec, "pid");
    spec.process.args = ["/bin/sh", "-c", script];
    spec.linux.resources = { ...spec.linux.resources, pids: { limit: 200 } };
  });
  await c.create();
  await c.start();
  await c.waitForOutput("ready");
  const pid = await c.pid();
  const file = path.join(cgroupDirectory(pid, "pids"), "cgroup.procs");
  const members = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number) : []);
  return { c, pid, members };
}

given(lacksController("pids"), () => {
  check("kill KILL ends all of a container that shares the pid namespace", async (t) => {
    const { c, members } = await shared(t, "sleep 1000 & sleep 1001 & echo ready; wait");
    expect(members()).toHaveLength(3);
    await c.kill("KILL");
    await until("the end of all", () => members().length === 0);
    await c.waitForStatus("stopped");
    await c.delete();
  });

  check(
    "kill KILL ends what is left when the first process is gone, and then the container is not running",
    async (t) => {
      const { c, pid, members } = await shared(t, "sleep 1000 & sleep 1001 & echo ready; wait");
      process.kill(pid, "SIGKILL");
      await c.waitForStatus("stopped");
      expect(members()).toHaveLength(2);
      await c.kill("KILL");
      await until("the end of all", () => members().length === 0);
      await c.delete();
      expect(await t.leftNow()).toEqual([]);
    },
  );

  check("kill KILL leaves nothing of a container that keeps making processes", async (t) => {
    // The first process makes none itself: a shell that cannot fork ends.
    const script = "(while :; do (while :; do (sleep 1000 &); done) & sleep 0.01; done) & echo ready; exec sleep 1000";
    const { c, members } = await shared(t, script);
    await until("many processes", () => members().length > 100);
    await c.kill("KILL");
    await until("the end of all", () => members().length === 0);
    await c.delete();
    expect(await t.leftNow()).toEqual([]);
  });

  check("kill KILL ends a paused container that shares the pid namespace", async (t) => {
    const { c, members } = await shared(t, "sleep 1000 & sleep 1001 & echo ready; wait");
    expect((await c.verb("pause")).code).toBe(0);
    await c.kill("KILL");
    await until("the end of all", () => members().length === 0);
    await c.waitForStatus("stopped");
    await c.delete();
  });

  check("kill --all sends its signal to every process, and none is paused afterwards", async (t) => {
    const { c } = await shared(t, "probe wait & probe wait & exec probe wait");
    await until("three probes", () => c.output().match(/ready/g)?.length === 3);
    expect((await c.verb("kill", "--all", "40")).code).toBe(0);
    await until("three signals", () => c.output().match(/signal 40\n/g)?.length === 3);
    expect((await c.state()).status).toBe("running");
  });

  check("delete of a stopped container ends what its first process left without a pid namespace", async (t) => {
    const { c, pid } = await shared(t, "sleep 1000 & sleep 1001 & echo ready; wait");
    process.kill(pid, "SIGKILL");
    await c.waitForStatus("stopped");
    await c.delete();
    expect(await t.leftNow()).toEqual([]);
  });
});

check("kill of a stopped container fails, with --all it does not", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  const refused = await c.verb("kill", "0");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("container not running");
  expect((await c.verb("kill", "--all", "KILL")).code).toBe(0);
});

given(lacksAny(lacksCgroup(1), lacksController("freezer")), () => {
  checkTsrunc("kill --all of a paused container leaves it paused", async (t) => {
    const { c } = await shared(t, "echo ready; probe wait & exec probe wait");
    await until("two probes", () => c.output().match(/^ready/gm)?.length === 3);
    expect((await c.verb("pause")).code).toBe(0);
    expect((await c.verb("kill", "--all", "USR2")).code).toBe(0);
    expect((await c.state()).status).toBe("paused");
    expect(c.output()).not.toContain("signal");
    expect((await c.verb("resume")).code).toBe(0);
    await until("two signals", () => c.output().match(/signal 12\n/g)?.length === 2);
  });
});

for (const signal of ["TERM", "INT", "HUP"])
  check(`kill ${signal} ends a container that is created`, async (t) => {
    const c = t.container();
    await c.create();
    await c.kill(signal);
    await c.waitForStatus("stopped");
    await c.delete();
  });
