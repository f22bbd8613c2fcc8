/** Verbs on a container that another process is still creating: who polls `state` and goes on wins. Root only. */
import { expect } from "bun:test";
import * as fs from "node:fs";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, checkTsrunc, type Scope } from "../../conformance/lib/harness.ts";
import { type Running, runtime, startRuntime, until } from "../../conformance/lib/runtime.ts";
import { stateRoot } from "../../conformance/lib/workspace.ts";
import { Runtime } from "../../src/index.ts";

area();

interface Creating {
  readonly c: Container;
  readonly create: Running;
  /** Lets the hook, and with it the create, come to its end. */
  readonly goOn: (status?: number) => void;
}

const hookOf = (c: Container) => ({
  path: "/bin/sh",
  // A hook outlives a creator that is killed: it ends with the bundle.
  args: [
    "sh",
    "-c",
    `while [ -d ${c.bundle} ] && [ ! -s ${c.file("go")} ]; do sleep 0.01; done; exit $(cat ${c.file("go")})`,
  ],
  env: ["PATH=/bin:/usr/bin"],
});

function slow(t: Scope): { c: Container; goOn: (status?: number) => void } {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/sleep", "1000"];
    spec.hooks = { createRuntime: [hookOf(self)] };
  });
  c.save();
  c.known = true;
  return { c, goOn: (status = 0) => fs.writeFileSync(c.file("go"), `${status}\n`) };
}

/** A create that is under way, and known to `state`. */
async function creating(t: Scope): Promise<Creating> {
  const { c, goOn } = slow(t);
  const create = startRuntime(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
  t.cleanup(async () => {
    goOn();
    await create.result;
  });
  await until("the state", () => fs.existsSync(path.join(c.stateDirectory, "state.json")));
  await c.waitForStatus("creating");
  return { c, create, goOn };
}

/** Calls a verb, sees that it waits, and lets the create go on. */
async function waiting(t: Scope, verb: string, ...rest: string[]): Promise<Creating> {
  const at = await creating(t);
  const call = startRuntime([verb, at.c.id, ...rest]);
  let ended = false;
  call.child.on("exit", () => {
    ended = true;
  });
  await until("the verb to wait", () => call.child.pid !== undefined && isAsleep(call.child.pid));
  expect(ended).toBe(false);
  at.goOn();
  expect(await at.create.result).toMatchObject({ code: 0, stderr: "" });
  expect(await call.result).toMatchObject({ code: 0, stderr: "" });
  return at;
}

/** It sleeps between two looks: field 3 of stat. */
function isAsleep(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`) && fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") S ");
}

checkTsrunc("start waits for the creator", async (t) => {
  const { c } = await waiting(t, "start");
  expect((await c.state()).status).toBe("running");
});

checkTsrunc("pause waits for the creator", async (t) => {
  const { c } = await waiting(t, "pause");
  expect((await c.state()).status).toBe("paused");
});

checkTsrunc("update and exec wait for the creator", async (t) => {
  await waiting(t, "exec", "/bin/true");
  const at = await creating(t);
  const call = startRuntime(["update", "--pids-limit=40", at.c.id]);
  at.goOn();
  expect(await call.result).toMatchObject({ code: 0, stderr: "" });
});

checkTsrunc("kill waits for the creator, and then the signal arrives", async (t) => {
  const { c } = await waiting(t, "kill", "KILL");
  await c.waitForStatus("stopped");
});

checkTsrunc("delete waits for the creator, and then removes what was created", async (t) => {
  const { c } = await waiting(t, "delete");
  expect(fs.existsSync(c.stateDirectory)).toBe(false);
});

check("a script that polls state and then starts wins", async (t) => {
  const { c, goOn } = slow(t);
  const create = startRuntime(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
  setTimeout(goOn, 300);
  for (let tries = 0; (await c.verb("state")).code !== 0 && tries < 1000; tries++) await Bun.sleep(2);
  expect(await c.verb("start")).toMatchObject({ code: 0, stderr: "" });
  expect((await create.result).code).toBe(0);
});

checkTsrunc("a script that polls start itself wins", async (t) => {
  const { c, goOn } = slow(t);
  const create = startRuntime(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
  setTimeout(goOn, 300);
  for (let tries = 0; (await c.verb("start")).code !== 0 && tries < 1000; tries++) await Bun.sleep(2);
  expect((await create.result).code).toBe(0);
  expect((await c.state()).status).toBe("running");
});

checkTsrunc("start ends with an error when the create that it waits for fails", async (t) => {
  const { c, create, goOn } = await creating(t);
  const start = startRuntime(["start", c.id]);
  goOn(7);
  expect((await create.result).code).toBe(1);
  const { code, stderr } = await start.result;
  expect([code, stderr]).toEqual([1, expect.stringContaining("container does not exist")]);
  c.known = false;
});

checkTsrunc("start ends with an error when the creator that it waits for is killed", async (t) => {
  const { c, create, goOn } = await creating(t);
  const start = startRuntime(["start", c.id]);
  create.child.kill("SIGKILL");
  await create.result;
  const { code, stderr } = await start.result;
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining("cannot start a container that is not in the created state"),
  ]);
  goOn();
  await c.delete("--force");
});

checkTsrunc("delete --force does not wait: it ends the create", async (t) => {
  const { c, create, goOn } = await creating(t);
  await c.delete("--force");
  expect((await create.result).signal).toBe("SIGKILL");
  expect(fs.existsSync(c.stateDirectory)).toBe(false);
  goOn();
});

checkTsrunc("delete and kill do not wait for ever for a create that hangs", async (t) => {
  const { c } = await creating(t);
  const calls = await Promise.all([c.verb("delete"), c.verb("kill", "KILL")]);
  for (const { code, stderr } of calls) expect([code, stderr]).toEqual([1, expect.stringContaining("creating")]);
  expect((await c.state()).status).toBe("creating");
});

checkTsrunc("the library waits for itself, and nobody kills it for what it creates", async (t) => {
  const library = new Runtime({ root: stateRoot() });
  t.cleanup(() => library.close());
  const first = slow(t);
  const create = library.create(first.c.id, { bundle: first.c.bundle }, { stdio: "ignore" });
  await first.c.waitForStatus("creating");
  const start = library.start(first.c.id);
  first.goOn();
  await Promise.all([create, start]);
  expect((await first.c.state()).status).toBe("running");

  const second = slow(t);
  const doomed = library.create(second.c.id, { bundle: second.c.bundle }, { stdio: "ignore" }).then(
    () => "made",
    () => "refused",
  );
  await second.c.waitForStatus("creating");
  await second.c.delete("--force");
  second.goOn();
  expect(await doomed).toBe("refused");
  expect((await runtime(["state", second.c.id])).code).toBe(1);
});
