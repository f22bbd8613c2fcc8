import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupDirectory, hasController } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, type Scope } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { runtime, until } from "./lib/runtime.ts";

area();

const V2 = cgroupVersion() === 2;
/** On v1 a controller, on v2 part of every cgroup. */
const CAN_FREEZE = V2 || hasController("freezer");

/** Whether the kernel says that all processes of a cgroup are frozen. */
function frozen(directory: string): boolean {
  const file = path.join(directory, V2 ? "cgroup.events" : "freezer.state");
  return /^(FROZEN|frozen 1)$/m.test(readFileSync(file, "utf8"));
}

function freezer(pid: number): string {
  return cgroupDirectory(pid, "freezer");
}

function checkFreezing(sentence: string, body: (t: Scope) => Promise<void>): void {
  if (CAN_FREEZE) check(sentence, body);
}

async function paused(t: Scope): Promise<Container> {
  const c = t.container();
  await c.up();
  expect(await c.verb("pause")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  return c;
}

checkFreezing("pause freezes the container and state says paused, resume lets it go on", async (t) => {
  const c = await paused(t);
  const pid = await c.pid();
  expect(frozen(freezer(pid))).toBe(true);
  expect(await c.state()).toMatchObject({ status: "paused", pid });
  expect(await c.verb("resume")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(frozen(freezer(pid))).toBe(false);
  expect(await c.state()).toMatchObject({ status: "running", pid });
  await c.kill("USR1");
  await c.waitForOutput("signal 10\n");
});

checkFreezing("a signal that is sent to a paused container arrives when it is resumed", async (t) => {
  const c = await paused(t);
  await c.kill("USR1");
  expect(c.output()).toBe("ready\n");
  await c.verb("resume");
  await c.waitForOutput("signal 10\n");
});

checkFreezing("a created container can be paused, is then not started, and starts after resume", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  await c.create();
  expect((await c.verb("pause")).code).toBe(0);
  expect((await c.state()).status).toBe("paused");
  expect((await c.verb("start")).code).not.toBe(0);
  expect(c.output()).toBe("");
  expect((await c.verb("resume")).code).toBe(0);
  expect((await c.state()).status).toBe("created");
  await c.start();
  await c.waitForOutput("ready");
});

checkFreezing("pause freezes the cgroups below the container's too, resume thaws them", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 & echo child $!; wait"];
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "pid");
  });
  await c.create();
  await c.start();
  const child = Number((await c.waitForOutput("\n")).split(" ")[1]);
  const below = path.join(freezer(await c.pid()), "below");
  mkdirSync(below);
  t.cleanup(() => rmdirIfThere(below));
  writeFileSync(path.join(below, "cgroup.procs"), String(child));
  expect((await c.verb("pause")).code).toBe(0);
  expect(frozen(below)).toBe(true);
  expect((await c.verb("resume")).code).toBe(0);
  await until("the thaw", () => !frozen(below));
  expect((await c.verb("pause")).code).toBe(0);
  await c.delete("--force");
  expect(await t.leftNow()).toEqual([]);
});

checkFreezing("pause of a paused container is refused and it stays paused", async (t) => {
  const c = await paused(t);
  const again = await c.verb("pause");
  expect(again.code).not.toBe(0);
  expect(again.stderr).toContain("container not running");
  expect(frozen(freezer(await c.pid()))).toBe(true);
});

checkFreezing("resume of a container that is not paused is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  await c.create();
  for (const step of ["created", "running"]) {
    expect((await c.state()).status).toBe(step);
    const refused = await c.verb("resume");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("container not paused");
    if (step === "created") await c.start();
  }
});

checkFreezing("pause and resume of a stopped and of an unknown container are refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect((await c.verb("pause")).stderr).toContain("container not running");
  expect((await c.verb("resume")).stderr).toContain("container not paused");
  for (const verb of ["pause", "resume"]) {
    const unknown = await runtime([verb, `${c.id}-unknown`]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("does not exist");
  }
});

checkFreezing("kill KILL ends a paused container", async (t) => {
  const c = await paused(t);
  await c.kill("KILL");
  await c.waitForStatus("stopped");
  await c.delete();
  expect(await t.leftNow()).toEqual([]);
});

checkFreezing("delete of a paused container is refused, with --force it is removed", async (t) => {
  const c = await paused(t);
  expect((await c.verb("delete")).code).not.toBe(0);
  expect((await c.state()).status).toBe("paused");
  await c.delete("--force");
  expect(await t.leftNow()).toEqual([]);
});

checkFreezing("a container is paused and resumed many times while it makes processes", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "while :; do /bin/true; done"];
  });
  await c.create();
  await c.start();
  const directory = freezer(await c.pid());
  for (let i = 0; i < 10; i++) {
    expect((await c.verb("pause")).stderr).toBe("");
    expect(frozen(directory)).toBe(true);
    expect((await c.verb("resume")).stderr).toBe("");
  }
});

function rmdirIfThere(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
