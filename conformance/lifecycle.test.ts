import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { processesOfRun } from "./lib/leaks.ts";
import { runtime } from "./lib/runtime.ts";
import type { Spec } from "./lib/spec.ts";
import { stateRoot, TAG } from "./lib/workspace.ts";

area();

check("a created container has not run its program and its state says created with a living pid", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/touch", "/ran"];
  });
  await c.create();
  const state = await c.state();
  expect(state.status).toBe("created");
  expect(state.id).toBe(c.id);
  expect(state.bundle).toBe(c.bundle);
  expect(state.ociVersion).toMatch(/^1\./);
  expect(existsSync(`/proc/${state.pid}`)).toBe(true);
  expect(existsSync(c.inside("ran"))).toBe(false);
});

check("start runs the program in the process that create has made", async (t) => {
  const c = t.container();
  await c.up();
  const state = await c.state();
  expect(state.status).toBe("running");
  expect(readFileSync(`/proc/${state.pid}/cmdline`, "utf8")).toBe("/bin/probe\0wait\0");
});

check("the pid in state stays the same from create to start", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  await c.create();
  const before = await c.pid();
  await c.start();
  await c.waitForOutput("ready");
  expect(await c.pid()).toBe(before);
});

check("a container whose program has ended is stopped, with pid 0, until it is deleted", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect((await c.state()).pid).toBe(0);
  await c.delete();
  expect((await c.verb("state")).code).not.toBe(0);
});

check("state carries the annotations of config.json", async (t) => {
  const c = t.container((spec) => {
    spec.annotations = { "org.example.key": "a value", empty: "" };
  });
  await c.create();
  expect((await c.state()).annotations).toMatchObject({ "org.example.key": "a value" });
});

check("create, start, kill and delete print nothing when they succeed", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sleep", "1000"];
  });
  const created = await c.tryCreate();
  expect(created).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await c.verb("start")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await c.verb("kill", "KILL")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  await c.waitForStatus("stopped");
  expect(await c.verb("delete")).toMatchObject({ code: 0, stdout: "", stderr: "" });
});

for (const signal of ["TERM", "SIGTERM", "15"])
  check(`kill ${signal} reaches the program`, async (t) => {
    const c = t.container();
    await c.up();
    await c.kill(signal);
    await c.waitForStatus("stopped");
    expect(c.output()).toContain("signal 15\n");
  });

for (const [signal, number] of [
  ["HUP", 1],
  ["INT", 2],
  ["USR1", 10],
  ["WINCH", 28],
  ["SIGUSR2", 12],
  ["40", 40],
  ["64", 64],
] as const)
  check(`kill ${signal} delivers signal ${number} and the container goes on`, async (t) => {
    const c = t.container();
    await c.up();
    await c.kill(signal);
    await c.waitForOutput(`signal ${number}\n`);
    expect((await c.state()).status).toBe("running");
  });

check("kill without a signal sends TERM", async (t) => {
  const c = t.container();
  await c.up();
  expect((await c.verb("kill")).code).toBe(0);
  await c.waitForOutput("signal 15\n");
});

check("kill KILL ends a container that is only created, and delete removes it", async (t) => {
  const c = t.container();
  await c.create();
  await c.kill("KILL");
  await c.waitForStatus("stopped");
  await c.delete();
  expect(await t.leftNow()).toEqual([]);
});

check("kill --all KILL ends every process of a container without a pid namespace", async (t) => {
  const c = t.container((spec) => {
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "pid");
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 & sleep 1001 & echo ready; wait"];
  });
  await c.create();
  await c.start();
  await c.waitForOutput("ready");
  expect((await c.verb("kill", "--all", "KILL")).code).toBe(0);
  await c.waitForStatus("stopped");
  await c.delete();
  expect(await t.leftNow()).toEqual([]);
});

check("an id that is in use is refused and the first container is left alone", async (t) => {
  const c = t.container();
  await c.up();
  const pid = await c.pid();
  const again = await c.tryCreate();
  expect(again.code).not.toBe(0);
  expect(again.stderr).toContain("exist");
  const { status, pid: now } = await c.state();
  expect({ status, now }).toEqual({ status: "running", now: pid });
});

check("an id can be used again after delete", async (t) => {
  const c = t.container();
  for (let i = 0; i < 3; i++) {
    await c.up();
    await c.down();
  }
});

check("start of a running container is refused and does not disturb it", async (t) => {
  const c = t.container();
  await c.up();
  expect((await c.verb("start")).code).not.toBe(0);
  expect((await c.state()).status).toBe("running");
  expect(c.output()).toBe("ready\n");
});

check("start of a stopped container is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect((await c.verb("start")).code).not.toBe(0);
});

check("delete of a running container is refused and does not disturb it", async (t) => {
  const c = t.container();
  await c.up();
  expect((await c.verb("delete")).code).not.toBe(0);
  expect((await c.state()).status).toBe("running");
});

check("delete --force removes a running container and all of its processes", async (t) => {
  const c = t.container();
  await c.up();
  await c.delete("--force");
  expect((await c.verb("state")).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("delete --force removes a created container", async (t) => {
  const c = t.container();
  await c.create();
  await c.delete("--force");
  expect(await t.leftNow()).toEqual([]);
});

check("delete works when the bundle is gone and the working directory is deleted", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  const gone = path.join(stateRoot(), "..", `gone-${c.id}`);
  mkdirSync(gone);
  const result = await runtime(["delete", c.id], { shell: `cd '${gone}'; rmdir '${gone}'; rm -r '${c.bundle}';` });
  expect(result).toMatchObject({ code: 0 });
  c.known = false;
});

check("kill of a stopped container is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect((await c.verb("kill", "TERM")).code).not.toBe(0);
});

for (const verb of ["state", "start", "kill", "delete"])
  check(`${verb} of an unknown id fails, names it and makes nothing`, async (t) => {
    const unknown = `${TAG}-unknown`;
    const result = await runtime([verb, unknown]);
    expect(result.code).toBe(1);
    expect(result.stdout).toBe("");
    expect(result.stderr).not.toBe("");
    expect(await t.leftNow()).toEqual([]);
  });

check("delete --force of an unknown id succeeds", async () => {
  expect((await runtime(["delete", "--force", `${TAG}-unknown`])).code).toBe(0);
});

check("an unknown signal is refused and nothing is sent", async (t) => {
  const c = t.container();
  await c.up();
  for (const signal of ["NOSUCH", "SIGNOSUCH", "-1", "65", "1000", "9x"]) {
    const result = await runtime(["kill", c.id, signal]);
    expect({ signal, code: result.code === 0 ? 0 : 1 }).toEqual({ signal, code: 1 });
  }
  expect(c.output()).toBe("ready\n");
});

check("the state root holds the id while the container exists and nothing after", async (t) => {
  const c = t.container();
  await c.create();
  expect(statSync(c.stateDirectory).isDirectory()).toBe(true);
  await c.delete("--force");
  expect(existsSync(c.stateDirectory)).toBe(false);
});

check("containers under one root do not see those under another", async (t) => {
  const c = t.container();
  await c.create();
  const other = c.file("other-root");
  mkdirSync(other);
  expect((await runtime(["state", c.id], { global: ["--root", other] })).code).not.toBe(0);
});

check("list shows each container with its pid and status", async (t) => {
  const [one, two] = [t.container(), t.container()].toSorted((a, b) => (a.id < b.id ? -1 : 1)) as [
    Container,
    Container,
  ];
  await one.create();
  await two.up();
  const result = await runtime(["list", "--format", "json"]);
  const rows = JSON.parse(result.stdout) as { id: string; pid: number; status: string; bundle: string }[];
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const seen = sorted
    .filter(({ id }) => id === one.id || id === two.id)
    .map(({ id, pid, status, bundle }) => ({ id, pid, status, bundle }));
  expect(seen).toEqual([
    { id: one.id, pid: await one.pid(), status: "created", bundle: one.bundle },
    { id: two.id, pid: await two.pid(), status: "running", bundle: two.bundle },
  ]);
});

checkTsrunc("list is sorted by id", async (t) => {
  for (let i = 0; i < 12; i++) await t.container().create();
  const ids = (await runtime(["list", "--quiet"])).stdout.trimEnd().split("\n");
  expect(ids).toEqual(ids.toSorted());
});

check("list --quiet prints ids only, and nothing when there are none", async (t) => {
  expect((await runtime(["list", "--quiet"])).stdout).toBe("");
  const c = t.container();
  await c.create();
  expect((await runtime(["list", "--quiet"])).stdout).toBe(`${c.id}\n`);
});

check("config.json is read at create: changes after it have no effect", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/echo", "first"];
  });
  await c.create();
  writeFileSync(c.file("config.json"), "{ broken");
  await c.start();
  await c.waitForOutput("first\n");
});

check("ids with every allowed character work", async (t) => {
  const c = t.container();
  for (const id of [`${TAG}-a.B_c+9`, `_${TAG}`, `9${TAG}`, `${TAG}-${"x".repeat(100)}`]) {
    c.spec.process.args = ["/bin/true"];
    c.save();
    const result = await runtime(["run", "--bundle", c.bundle, id]);
    expect({ id, code: result.code, stderr: result.stderr }).toEqual({ id, code: 0, stderr: "" });
  }
});

check("after start no process is left but the container's own", async (t) => {
  const c = t.container();
  await c.up();
  expect(processesOfRun().map(({ pid }) => pid)).toEqual([await c.pid()]);
});

check("after create no process is left but the container's init", async (t) => {
  const c = t.container();
  await c.create();
  expect(processesOfRun().map(({ pid }) => pid)).toEqual([await c.pid()]);
});

checkTsrunc("the init of a created container has less than 500 KB resident", async (t) => {
  const c = t.container();
  await c.create();
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${await c.pid()}/status`, "utf8"))?.[1];
  expect(Number(resident)).toBeLessThan(500);
});

check("a container without a process can be created, used and deleted, but not started", async (t) => {
  const c = t.container((spec) => {
    delete (spec as Partial<Spec>).process;
  });
  await c.create();
  expect((await c.verb("start")).code).not.toBe(0);
  expect((await c.state()).status).toBe("created");
  writeFileSync(
    c.file("process.json"),
    JSON.stringify({ user: { uid: 0, gid: 0 }, args: ["/bin/hostname"], cwd: "/" }),
  );
  expect((await c.verb("exec", `--process=${c.file("process.json")}`)).code).toBe(0);
  expect((await c.verb("exec", "/bin/true")).code).not.toBe(0);
  await c.delete("--force");
  expect((await c.run()).code).not.toBe(0);
});
