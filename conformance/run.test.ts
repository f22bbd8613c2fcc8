import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { ProbeResult } from "./lib/probe.ts";
import { type Running, runtime, startCommand, until } from "./lib/runtime.ts";
import { dropNamespace } from "./lib/spec.ts";
import { probeProgram, receiverProgram } from "./lib/workspace.ts";

area();

for (const code of [0, 1, 42, 125, 127, 255])
  check(`run returns the program's exit status ${code}`, async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "exit", String(code)];
    });
    expect((await c.run()).code).toBe(code);
    expect(await t.leftNow()).toEqual([]);
  });

for (const [signal, status] of [
  [9, 137],
  [15, 143],
  [6, 134],
] as const)
  check(`run returns ${status} when signal ${signal} ends the program`, async (t) => {
    const c = t.container((spec) => {
      dropNamespace(spec, "pid"); // pid 1 of a namespace cannot be ended by itself
      spec.process.args = ["/bin/probe", "abort", String(signal)];
    });
    expect((await c.run()).code).toBe(status);
  });

check("run passes stdin, stdout and stderr through", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "cat; echo to-stderr >&2"];
  });
  writeFileSync(c.file("input"), "from stdin\n");
  expect(await c.run({ stdin: c.file("input") })).toMatchObject({
    code: 0,
    stdout: "from stdin\n",
    stderr: "to-stderr\n",
  });
});

check("run passes a million bytes through unharmed", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/cat"];
  });
  const text = "0123456789abcdef".repeat(65536);
  writeFileSync(c.file("input"), text);
  expect((await c.run({ stdin: c.file("input") })).stdout === text).toBe(true);
});

async function ready(running: Running): Promise<void> {
  await until("the program", () => readFileSync(running.stdoutFile, "utf8").includes("ready\n"));
}

for (const [signal, number] of [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGUSR1", 10],
  ["SIGTERM", 15],
] as const)
  check(`run relays ${signal} to the program`, async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "wait", "7"];
    });
    const running = c.startRun();
    await ready(running);
    running.child.kill(signal);
    await until("the signal", () => readFileSync(running.stdoutFile, "utf8").includes(`signal ${number}\n`));
    if (signal !== "SIGTERM") running.child.kill("SIGTERM");
    expect((await running.result).code).toBe(7);
    expect(await t.leftNow()).toEqual([]);
  });

check("run without --detach shows the container as running meanwhile", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  const running = c.startRun();
  await ready(running);
  expect((await c.state()).status).toBe("running");
  running.child.kill("SIGTERM");
  expect((await running.result).code).toBe(0);
});

async function runDetached(c: Container, ...flags: string[]): Promise<void> {
  c.spec.process.args = ["/bin/probe", "wait"];
  const result = await c.run({ flags: ["--detach", ...flags], stdout: c.outputFile });
  c.known = result.code === 0;
  expect(result).toMatchObject({ code: 0, stderr: "" });
  await c.waitForOutput("ready");
}

check("run --detach returns while the program goes on", async (t) => {
  const c = t.container();
  await runDetached(c);
  expect((await c.state()).status).toBe("running");
  await c.down();
});

check("run -d means --detach", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  const result = await c.run({ flags: ["-d"], stdout: c.outputFile });
  c.known = result.code === 0;
  expect(result.code).toBe(0);
  await c.waitForOutput("ready");
});

check("a detached container whose program has ended stays until delete", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  const result = await c.run({ flags: ["--detach"], stdout: c.outputFile });
  c.known = result.code === 0;
  await c.waitForStatus("stopped");
  await c.delete();
});

check("run --pid-file holds the host's pid, bare, without a newline", async (t) => {
  const c = t.container();
  await runDetached(c, "--pid-file", c.file("pid"));
  expect(readFileSync(c.file("pid"), "utf8")).toBe(String(await c.pid()));
});

check("create --pid-file holds the host's pid, bare, without a newline", async (t) => {
  const c = t.container();
  await c.create({ flags: ["--pid-file", c.file("pid")] });
  expect(readFileSync(c.file("pid"), "utf8")).toBe(String(await c.pid()));
});

check("a relative --pid-file is taken from the working directory", async (t) => {
  const c = t.container();
  const here = c.file("here");
  mkdirSync(here);
  await c.create({ flags: ["--pid-file", "pid"], cwd: here });
  expect(readFileSync(path.join(here, "pid"), "utf8")).toBe(String(await c.pid()));
});

check("the bundle defaults to the working directory", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/echo", "hello"];
  });
  c.save();
  expect(await runtime(["run", c.id], { cwd: c.bundle })).toMatchObject({ code: 0, stdout: "hello\n" });
});

check("flags may be written --flag=value", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/echo", "hello"];
  });
  c.save();
  expect(await runtime(["run", `--bundle=${c.bundle}`, c.id])).toMatchObject({ code: 0, stdout: "hello\n" });
});

check("run removes the container when its program cannot be executed", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/nonexistent"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("/nonexistent");
  expect(await t.leftNow()).toEqual([]);
});

check("processes that the program has left behind end with the container", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 3"];
  });
  expect((await c.run()).code).toBe(3);
  expect(await t.leftNow()).toEqual([]);
});

check("orphans of a container without a pid namespace end with it", async (t) => {
  const c = t.container((spec) => {
    dropNamespace(spec, "pid");
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 3"];
  });
  expect((await c.run()).code).toBe(3);
  expect(await t.leftNow()).toEqual([]);
});

check("--preserve-fds gives the program that many descriptors above stderr, and no more", async (t) => {
  const c = t.container();
  writeFileSync(c.file("three"), "third");
  const shell = `exec 3<'${c.file("three")}' 4</dev/zero 5</dev/zero 6</dev/zero;`;
  const { report } = await c.probeWith({ shell, flags: ["--preserve-fds", "2"] }, "report");
  expect(report.fds.map(({ fd, type }) => `${fd} ${type}`).slice(3)).toEqual(["3 file", "4 c"]);
});

check("LISTEN_FDS passes the sockets of socket activation on, with LISTEN_PID 1", async (t) => {
  const c = t.container();
  const shell =
    "exec 3</dev/null 4</dev/null; LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=a:b; export LISTEN_FDS LISTEN_PID LISTEN_FDNAMES;";
  const { report } = await c.probeWith({ shell }, "report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2, 3, 4]);
  expect(report.env).toContain("LISTEN_FDS=2");
  expect(report.env).toContain("LISTEN_PID=1");
});

check("--preserve-fds counts from the end of LISTEN_FDS", async (t) => {
  const c = t.container();
  const shell = "exec 3</dev/null 4</dev/null 5</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID;";
  const { report } = await c.probeWith({ shell, flags: ["--preserve-fds", "1"] }, "report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2, 3, 4]);
});

check("--preserve-fds with a descriptor that is not open is refused and leaves nothing", async (t) => {
  const c = t.container();
  const result = await c.run({ shell: "exec 3</dev/null;", flags: ["--preserve-fds", "30"] });
  expect(result.code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("NOTIFY_SOCKET is forwarded: READY=1 from the container arrives at the host's socket", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "probe notify=READY=1 && sleep 1000"];
  });
  const socket = c.file("notify");
  const listener = startCommand([receiverProgram(), "--datagram", socket]);
  t.cleanup(() => {
    listener.child.kill("SIGKILL");
  });
  await until("the socket", () => existsSync(socket));
  const started = c.run({ flags: ["--detach"], env: { NOTIFY_SOCKET: socket }, stdout: c.outputFile });
  await until("the message", () => readFileSync(listener.stdoutFile, "utf8").includes("READY=1"));
  c.known = (await started).code === 0;
  await c.waitForOutput("OK");
});

/** Name of the session keyring of this process, as keyctl(2) describes it. */
function keyringOfHost(): string {
  const { stdout } = spawnSync(probeProgram(), ["report"], { encoding: "utf8" });
  return new ProbeResult(stdout).report.keyringDescription.split(";").at(-1) ?? "";
}

check("a session keyring is made for the container", async (t) => {
  const { report } = await t.container().probe("report");
  expect(report.sessionKeyring).toBeGreaterThan(0);
  expect(report.keyringDescription.endsWith(keyringOfHost())).toBe(false);
  expect(report.keyringDescription).not.toContain("_uid_ses");
});

check("two containers have different session keyrings", async (t) => {
  const one = (await t.container().probe("report")).report;
  const two = (await t.container().probe("report")).report;
  expect(one.keyringDescription).not.toBe(two.keyringDescription);
});

check("--no-new-keyring keeps the caller's session keyring", async (t) => {
  const c = t.container();
  const { report } = await c.probeWith({ flags: ["--no-new-keyring"] }, "report");
  expect(report.keyringDescription).not.toContain(c.id);
  expect([keyringOfHost(), "_uid_ses.0"].some((name) => report.keyringDescription.endsWith(name))).toBe(true);
});

checkTsrunc("run --keep leaves the stopped container for delete", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "exit", "4"];
  });
  expect((await c.run({ flags: ["--keep"] })).code).toBe(4);
  c.known = true;
  expect((await c.state()).status).toBe("stopped");
  await c.delete();
});

checkTsrunc("--pidfd-socket receives a pidfd of the container's process", async (t) => {
  const c = t.container();
  const socket = c.file("pidfd.sock");
  const receiver = startCommand([receiverProgram(), "--pidfd", socket]);
  await until("the socket", () => existsSync(socket));
  await c.create({ flags: ["--pidfd-socket", socket] });
  expect((await receiver.result).stdout).toBe(`${await c.pid()}\n`);
});
