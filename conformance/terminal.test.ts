import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, type Scope } from "./lib/harness.ts";
import { RUNTIME } from "./lib/host.ts";
import { ProbeResult } from "./lib/probe.ts";
import { type Running, runtime, startCommand, until } from "./lib/runtime.ts";
import { DEVPTS, type Spec, useUserNamespace } from "./lib/spec.ts";
import { receiverProgram, stateRoot } from "./lib/workspace.ts";

area();

function withTerminal(spec: Spec): void {
  spec.process.terminal = true;
  spec.mounts.push(DEVPTS);
}

/** Starts a receiver for the container's terminal; its output is what the program prints there. */
async function receiver(t: Scope, c: Container, input?: string): Promise<{ socket: string; running: Running }> {
  const socket = c.file("console.sock");
  const running = startCommand([receiverProgram(), socket], input === undefined ? {} : { stdin: input });
  t.cleanup(() => {
    running.child.kill("SIGKILL");
  });
  await until("the socket", () => existsSync(socket));
  return { socket, running };
}

/** Creates and starts with a console socket and returns what the probe says on the terminal. */
async function onTerminal(t: Scope, c: Container, ...operations: string[]): Promise<ProbeResult> {
  c.spec.process.args = ["/bin/probe", ...operations];
  const { socket, running } = await receiver(t, c);
  await c.create({ flags: ["--console-socket", socket] });
  await c.start();
  return new ProbeResult(
    await until("the report", () => {
      const text = readFileSync(running.stdoutFile, "utf8");
      return text.includes("}\n") || text.includes("}\r\n") ? text : undefined;
    }),
  );
}

check("terminal true gives a controlling terminal on stdin, stdout and stderr", async (t) => {
  const result = await onTerminal(t, t.container(withTerminal), "report", "openrw=/dev/tty");
  expect(result.report.tty).toMatchObject({ isatty: [1, 1, 1], controlling: 1, foreground: 1 });
  expect(result.of("openrw=/dev/tty")).toBe("OK");
  expect(result.report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
});

check("the terminal is /dev/pts/0 of the container and /dev/console is it", async (t) => {
  const result = await onTerminal(t, t.container(withTerminal), "report", "stat=/dev/console", "ls=/dev/pts");
  expect(
    result.report.fds
      .map(({ target }) => target)
      .every((target) => target === "/dev/pts/0" || target === "/dev/console"),
  ).toBe(true);
  expect(result.stat("stat=/dev/console")).toMatchObject({ type: "c", major: 136, minor: 0 });
});

check("consoleSize is the size of the terminal", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.consoleSize = { height: 31, width: 117 };
  });
  expect((await onTerminal(t, c, "report")).report.tty).toMatchObject({ rows: 31, columns: 117 });
});

check("consoleSize without a terminal is ignored", async (t) => {
  const c = t.container((spec) => {
    spec.process.consoleSize = { height: 31, width: 117 };
  });
  expect((await c.probe("report")).report.tty.isatty).toEqual([0, 0, 0]);
});

check("the terminal belongs to the process's user and the group tty", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.user = { uid: 1000, gid: 1000 };
  });
  const { stat } = (await onTerminal(t, c, "report")).report.tty;
  expect(stat).toMatchObject({ uid: 1000, gid: 5 });
});

check("a terminal works in a user namespace", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    withTerminal(spec);
  });
  expect((await onTerminal(t, c, "report")).report.tty).toMatchObject({ isatty: [1, 1, 1], controlling: 1 });
});

check("what is typed into the terminal reaches the program", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.args = ["/bin/sh", "-c", 'read -r line; echo "got <$line>"; sleep 1000'];
  });
  writeFileSync(c.file("typed"), "some words\n");
  const { socket, running } = await receiver(t, c, c.file("typed"));
  await c.create({ flags: ["--console-socket", socket] });
  await c.start();
  await until("the answer", () => readFileSync(running.stdoutFile, "utf8").includes("got <some words>"));
});

check("run --detach hands the terminal over too", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.args = ["/bin/sh", "-c", "echo here; sleep 1000"];
  });
  const { socket, running } = await receiver(t, c);
  const result = await c.run({ flags: ["--detach", "--console-socket", socket] });
  c.known = result.code === 0;
  expect(result.code).toBe(0);
  await until("the output", () => readFileSync(running.stdoutFile, "utf8").includes("here"));
});

check("without a terminal stdin, stdout and stderr are none", async (t) => {
  const { tty } = (await t.container().probe("report")).report;
  expect(tty).toMatchObject({ isatty: [0, 0, 0], controlling: 0 });
});

check("a terminal with create and no console socket is refused and leaves nothing", async (t) => {
  const c = t.container(withTerminal);
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("a console socket without a terminal is refused and leaves nothing", async (t) => {
  const c = t.container();
  const { socket } = await receiver(t, c);
  expect((await c.tryCreate({ flags: ["--console-socket", socket] })).code).not.toBe(0);
  expect((await t.leftNow()).filter((line) => !line.includes("console.sock"))).toEqual([]);
});

check("a console socket that is not there is refused and leaves nothing", async (t) => {
  const c = t.container(withTerminal);
  expect((await c.tryCreate({ flags: ["--console-socket", c.file("missing.sock")] })).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

/** Runs a container, or the given verb, on a terminal of its own: script(1) gives one. */
async function underScript(
  c: Container,
  size?: { rows: number; columns: number },
  verb: readonly string[] = ["run", "--bundle", c.bundle, c.id],
  redirect = "",
): Promise<{ code: number | null; text: string }> {
  c.save();
  const words = `${[...RUNTIME, "--root", stateRoot(), ...verb].map((word) => `'${word}'`).join(" ")}${redirect}`;
  const resize = size === undefined ? "" : `stty rows ${size.rows} cols ${size.columns}; `;
  const running = startCommand(["script", "-qec", `${resize}${words}`, "/dev/null"]);
  const { code, stdout } = await running.result;
  return { code, text: stdout };
}

check("run in the foreground of a terminal passes output and exit status through", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.args = ["/bin/sh", "-c", "test -t 0 && test -t 1 && echo terminal; exit 9"];
  });
  const { code, text } = await underScript(c);
  expect(text).toContain("terminal");
  expect(code).toBe(9);
});

check("run in the foreground takes the size over from the caller's terminal", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.args = ["/bin/sh", "-c", "sleep 0.3; exec probe report"];
  });
  const { text } = await underScript(c, { rows: 33, columns: 99 });
  expect(new ProbeResult(text.slice(text.indexOf("{"))).report.tty).toMatchObject({ rows: 33, columns: 99 });
});

for (const redirect of ["", " </dev/null"])
  checkTsrunc(`the size is right at the program's first instruction, every time${redirect}`, async (t) => {
    const c = t.container((spec) => {
      withTerminal(spec);
      spec.process.args = ["/bin/probe", "report"];
    });
    const seen = async (rows: number, verb?: readonly string[]) => {
      const { text } = await underScript(c, { rows, columns: 100 + rows }, verb, redirect);
      // script(1) types the end of its own input into the terminal, which echoes it wherever the output is just then.
      const { tty } = new ProbeResult(text.replaceAll("^@", "")).report;
      return [tty.rows, tty.columns];
    };
    for (let i = 1; i <= 20; i++) expect(await seen(i)).toEqual([i, 100 + i]);
    c.spec.process.terminal = false;
    await c.up();
    const exec = ["exec", "-t", c.id, "/bin/probe", "report"];
    for (let i = 21; i <= 40; i++) expect(await seen(i, exec)).toEqual([i, 100 + i]);
    await c.down();
  });

check("run with a terminal works when the caller has none, and prints no carriage returns", async (t) => {
  const c = t.container((spec) => {
    withTerminal(spec);
    spec.process.args = ["/bin/echo", "hello"];
  });
  c.save();
  const result = await runtime(["run", "--bundle", c.bundle, c.id]);
  expect(result).toMatchObject({ code: 0, stdout: "hello\n" });
});
