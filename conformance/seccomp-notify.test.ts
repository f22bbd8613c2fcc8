/** SCMP_ACT_NOTIFY, with an agent that answers (test/seccomp/agent.c). */
import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, type Scope } from "./lib/harness.ts";
import { runtime, until } from "./lib/runtime.ts";
import { setNamespace, useUserNamespace } from "./lib/spec.ts";
import { agentProgram } from "./lib/workspace.ts";

area();

const MKDIR = ["mkdir", "mkdirat"];
/** What a runtime that hands the listener over from under the filter would need. */
const HAND_OVER = ["write", "sendmsg", "close", "recvmsg"];

interface ProcessState {
  readonly ociVersion: string;
  readonly fds: readonly string[];
  readonly pid: number;
  readonly metadata?: string;
  readonly state: {
    readonly ociVersion: string;
    readonly id: string;
    readonly status: string;
    readonly pid: number;
    readonly bundle: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

class Agent {
  readonly socket: string;
  readonly #output: string;
  #alive = true;
  readonly #kill: () => void;

  constructor(t: Scope, container: Container, words: readonly string[]) {
    this.socket = container.file("agent.sock");
    this.#output = container.file("agent.out");
    const out = openSync(this.#output, "a");
    const child = spawn(agentProgram(), words, { stdio: ["ignore", out, out] });
    closeSync(out);
    child.on("exit", () => {
      this.#alive = false;
    });
    this.#kill = () => child.kill("SIGKILL");
    t.cleanup(async () => await this.stop());
  }

  lines(prefix: string): readonly string[] {
    const lines = readFileSync(this.#output, "utf8").split("\n");
    return lines.filter((line) => line === prefix || line.startsWith(`${prefix} `));
  }

  states(): readonly ProcessState[] {
    return this.lines("state").map((line) => JSON.parse(line.slice("state ".length)) as ProcessState);
  }

  /** Calls that were answered, in order. */
  calls(): readonly string[] {
    return this.lines("call").map((line) => line.slice("call ".length));
  }

  async waitFor(prefix: string, count = 1): Promise<void> {
    await until(`${count} \`${prefix}\` of the agent`, () => this.lines(prefix).length >= count);
  }

  async ended(): Promise<void> {
    await until("the end of the agent", () => !this.#alive);
  }

  async stop(): Promise<void> {
    this.#kill();
    await this.ended();
  }
}

async function startAgent(t: Scope, container: Container, ...answers: string[]): Promise<Agent> {
  rmSync(container.file("agent.sock"), { force: true }); // of one that has ended
  const refuse = answers[0] === "--refuse" ? ["--refuse"] : [];
  const agent = new Agent(t, container, [...refuse, container.file("agent.sock"), ...answers.slice(refuse.length)]);
  await agent.waitFor("ready");
  return agent;
}

function notify(container: Container, names: readonly string[], more: Record<string, unknown> = {}): void {
  container.spec.linux.seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath: container.file("agent.sock"),
    ...more,
    syscalls: [{ names, action: "SCMP_ACT_NOTIFY" }],
  };
}

check(
  "the agent gets the state of the container's process and one descriptor, once, and the connection ends",
  async (t) => {
    const c = t.container((spec) => {
      spec.annotations = { "org.example": "yes" };
    });
    notify(c, MKDIR, { listenerMetadata: 'opaque "text" \u{1f600}' });
    const agent = await startAgent(t, c);
    await c.up();
    const pid = await c.pid();
    expect(agent.lines("fds")).toEqual(["fds 1"]);
    expect(agent.lines("closed")).toHaveLength(1);
    const [state] = agent.states();
    expect(state).toMatchObject({ fds: ["seccompFd"], pid, metadata: 'opaque "text" \u{1f600}' });
    expect(state!.ociVersion).toMatch(/^1\.\d+\.\d+/);
    expect(state!.state).toMatchObject({
      id: c.id,
      status: "creating",
      pid,
      bundle: c.bundle,
      annotations: { "org.example": "yes" },
    });
    await c.down();
    await agent.waitFor("gone");
  },
);

for (const [answer, outcome] of [
  ["return:0", ["OK", "ENOENT"]],
  ["errno:28", ["ENOSPC", "ENOENT"]],
  ["continue", ["OK", "dir"]],
] as const) {
  check(`the agent's answer ${answer} is the result of the call`, async (t) => {
    const c = t.container();
    notify(c, MKDIR);
    const agent = await startAgent(t, c, `mkdir=${answer}`, `mkdirat=${answer}`);
    const result = await c.probe("mkdir=/tmp/made", "stat=/tmp/made");
    const made = result.of("stat=/tmp/made") as string | { readonly type: string };
    expect([result.of("mkdir=/tmp/made"), typeof made === "string" ? made : made.type]).toEqual([...outcome]);
    expect(agent.calls()).toHaveLength(1);
    await agent.waitFor("gone");
  });
}

for (const noNewPrivileges of [false, true]) {
  const how = `${noNewPrivileges ? "with" : "without"} noNewPrivileges`;

  checkTsrunc(`a profile that notifies on all that a hand-over needs: create and start, ${how}`, async (t) => {
    const c = t.container();
    c.spec.process.noNewPrivileges = noNewPrivileges;
    notify(c, HAND_OVER);
    const agent = await startAgent(t, c);
    await c.up();
    expect((await c.state()).status).toBe("running");
    expect(agent.calls()).not.toContain("sendmsg"); // the runtime's; what the program does it is asked about
    await c.down();
    await agent.waitFor("gone");
  });

  checkTsrunc(
    `a profile that notifies on all that a hand-over needs: run, ${how}; no descriptor is left`,
    async (t) => {
      const c = t.container();
      c.spec.process.noNewPrivileges = noNewPrivileges;
      c.spec.process.user = { uid: 1000, gid: 1000 };
      notify(c, HAND_OVER);
      const agent = await startAgent(t, c);
      const { report } = await c.probe("report");
      expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
      expect(report).toMatchObject({ seccomp: 2, noNewPrivileges: noNewPrivileges ? 1 : 0 });
      expect(agent.calls()).toContain("close");
      await agent.waitFor("gone");
    },
  );

  checkTsrunc(`a profile that notifies on all that a hand-over needs: exec, ${how}`, async (t) => {
    const c = t.container();
    c.spec.process.noNewPrivileges = noNewPrivileges;
    notify(c, [...HAND_OVER, ...MKDIR]);
    const agent = await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
    await c.up();
    await agent.waitFor("state");
    const first = agent.lines("state").length;
    const { code, stdout } = await c.verb("exec", "/bin/probe", "mkdir=/tmp/x");
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"mkdir=/tmp/x":"ENOSPC"}\n' });
    expect(agent.lines("state")).toHaveLength(first + 1);
    const [{ pid, state: container }] = agent.states().slice(-1) as [ProcessState];
    expect(container).toMatchObject({ id: c.id, status: "running", pid: await c.pid() });
    expect(pid).not.toBe(container.pid);
    await agent.waitFor("gone"); // that of the exec
    await c.down();
    await agent.waitFor("gone", 2);
  });
}

check("NOTIFY works in a user namespace", async (t) => {
  const c = t.container(useUserNamespace);
  notify(c, MKDIR);
  await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
  expect((await c.probe("mkdir=/tmp/made")).of("mkdir=/tmp/made")).toBe("ENOSPC");
});

check("two containers with one agent have a listener each", async (t) => {
  const [one, two] = [t.container(), t.container()];
  notify(one, MKDIR);
  notify(two, MKDIR, { listenerPath: one.file("agent.sock") });
  const agent = await startAgent(t, one);
  await one.up();
  await two.up();
  expect(agent.states().map(({ state }) => state.id)).toEqual([one.id, two.id]);
  await one.down();
  await agent.waitFor("gone");
  expect((await two.state()).status).toBe("running");
  await two.down();
  await agent.waitFor("gone", 2);
});

check("without an agent at listenerPath create fails and leaves nothing", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  const { code, stderr } = await c.tryCreate();
  expect(code).not.toBe(0);
  expect(stderr).toContain(c.file("agent.sock"));
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("without an agent the message names listenerPath", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  expect((await c.tryCreate()).stderr).toContain("no such file or directory (ENOENT) (at /linux/seccomp/listenerPath)");
});

checkTsrunc("an agent that closes the connection unread makes create fail", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  // The connection is made before anything else: so the agent has the time to close it.
  c.spec.hooks = { createRuntime: [{ path: "/bin/sleep", args: ["sleep", "0.2"] }] };
  const agent = await startAgent(t, c, "--refuse");
  const { code, stderr } = await c.tryCreate();
  expect({ failed: code !== 0, lines: stderr.trim().split("\n").length }).toEqual({ failed: true, lines: 1 });
  await agent.stop();
  expect(await t.leftNow()).toEqual([]);
});

check("an agent that dies instead of answering: the call gets ENOSYS and the container goes on", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  const agent = await startAgent(t, c, "mkdir=die", "mkdirat=die");
  const result = await c.probe("mkdir=/tmp/a", "mkdir=/tmp/b", "creat=/tmp/c");
  expect(["mkdir=/tmp/a", "mkdir=/tmp/b", "creat=/tmp/c"].map((key) => result.of(key))).toEqual([
    "ENOSYS",
    "ENOSYS",
    "OK",
  ]);
  await agent.ended();
});

const SOON = { timeoutMs: 20_000 };

// The one call that an agent can be asked about before the user's program runs, and what init could end by then.
for (const calls of [["execve"], ["execve", "exit_group", "exit"]]) {
  checkTsrunc(`an agent that dies on init's ${calls.join(" and ")}: create, run and exec end`, async (t) => {
    const c = t.container();
    notify(c, calls);
    const deadly = calls.map((call) => `${call}=die`);
    const first = await startAgent(t, c, ...deadly);
    await c.tryCreate(SOON);
    if (c.known) {
      await runtime(["start", c.id], SOON);
      await c.delete("--force");
    }
    await first.ended();
    expect(await t.leftNow()).toEqual([]);
    const second = await startAgent(t, c, ...deadly);
    expect((await c.run(SOON)).stderr).toContain("function not implemented");
    await second.stop();
    expect(await t.leftNow()).toEqual([]);
    const third = await startAgent(t, c);
    await c.up();
    await third.stop();
    const last = await startAgent(t, c, ...deadly);
    await runtime(["exec", c.id, "/bin/probe", "exit"], SOON);
    await last.stop();
    expect((await c.state()).status).toBe("running");
    await c.down();
    expect(await t.leftNow()).toEqual([]);
  });
}

checkTsrunc("only the agent has the listener, and no process of the hand-over is left", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  const agent = await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
  c.spec.process.args = ["/bin/probe", "ls=/proc", "exec=/nonexistent", "mkdir=/tmp/a"];
  await c.create();
  const fds = `/proc/${await c.pid()}/fd`;
  const open = readdirSync(fds).map((fd) => readlinkSync(`${fds}/${fd}`));
  expect(open.filter((target) => target.includes("seccomp"))).toEqual([]);
  await c.start();
  const result = await c.outputAsProbe();
  const names = result.of("ls=/proc") as readonly string[];
  expect(names.filter((name) => /^\d+$/.test(name))).toEqual(["1"]);
  // The status of a child can be had: SIGCHLD is as exec leaves it.
  expect([result.of("exec=/nonexistent"), result.of("mkdir=/tmp/a")]).toEqual(["ENOENT", "ENOSPC"]);
  await c.waitForStatus("stopped");
  await c.delete();
  await agent.waitFor("gone");
});

checkTsrunc("NOTIFY works with a limit of one process", async (t) => {
  const c = t.container((spec) => {
    spec.linux.resources = { ...spec.linux.resources, pids: { limit: 1 } };
  });
  notify(c, MKDIR);
  await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
  expect((await c.probe("mkdir=/tmp/made")).of("mkdir=/tmp/made")).toBe("ENOSPC");
});

checkTsrunc(
  "an agent that dies on init's execve, with a limit of one process: run, create and start end",
  async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { ...spec.linux.resources, pids: { limit: 1 } };
    });
    notify(c, ["execve"]);
    const first = await startAgent(t, c, "execve=die");
    await c.run(SOON);
    await first.ended();
    expect(await t.leftNow()).toEqual([]);
    const second = await startAgent(t, c, "execve=die");
    await c.create();
    expect((await runtime(["start", c.id], SOON)).stderr).toContain("function not implemented");
    await second.ended();
    await c.delete("--force");
    expect(await t.leftNow()).toEqual([]);
  },
);

for (const type of ["pid", "user"] as const)
  checkTsrunc(`NOTIFY works in a ${type} namespace that is joined`, async (t) => {
    const host = t.container(useUserNamespace);
    await host.up();
    const c = t.container(useUserNamespace);
    setNamespace(c.spec, "user", `/proc/${await host.pid()}/ns/user`);
    if (type === "pid") setNamespace(c.spec, "pid", `/proc/${await host.pid()}/ns/pid`);
    delete c.spec.linux.uidMappings;
    delete c.spec.linux.gidMappings;
    notify(c, MKDIR);
    await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
    expect((await c.probe("mkdir=/tmp/made")).of("mkdir=/tmp/made")).toBe("ENOSPC");
  });

checkTsrunc("startContainer hooks run under a filter with NOTIFY, and their status counts", async (t) => {
  const c = t.container();
  notify(c, MKDIR);
  const agent = await startAgent(t, c, "mkdir=errno:28", "mkdirat=errno:28");
  c.spec.hooks = { startContainer: [{ path: "/bin/probe", args: ["probe", "mkdir=/tmp/a"] }] };
  await c.up();
  expect(agent.calls()).toHaveLength(1);
  await c.down();
  c.spec.hooks = { startContainer: [{ path: "/bin/probe", args: ["probe", "exit", "3"] }] };
  await c.create();
  const { code, stderr } = await c.verb("start");
  expect({ failed: code !== 0, said: stderr.includes("exit status 3") }).toEqual({ failed: true, said: true });
});

check("NOTIFY without listenerPath is refused", async (t) => {
  const c = t.container();
  notify(c, MKDIR, { listenerPath: undefined });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

check("NOTIFY as the default action is refused", async (t) => {
  const c = t.container();
  notify(c, MKDIR, { defaultAction: "SCMP_ACT_NOTIFY" });
  await startAgent(t, c);
  expect((await c.tryCreate()).code).not.toBe(0);
});
