/** Containers that another version of tsrunc has made, as they are on a host that was upgraded. Root only. */
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { runtime } from "../../conformance/lib/runtime.ts";

area();

type Label = readonly unknown[];
interface Kept {
  readonly tail: { readonly first: number; readonly labels: readonly Label[] };
}

/** A container whose tail has ops that this version does not know, one of them with the name of what every object has. */
async function unknown(t: Scope, hook?: string): Promise<Container> {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sleep", "1000"];
    if (hook !== undefined) spec.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", hook] }] };
  });
  await c.create();
  const file = path.join(c.stateDirectory, "state.json");
  const record = JSON.parse(fs.readFileSync(file, "utf8")) as Kept;
  const [, ...rest] = record.tail.labels;
  const labels = [
    ["toString", null, null, { a: "/b" }],
    ...rest.map(([, what, at], index) => [`op${index}OfTomorrow`, what, at]),
  ];
  expect(labels.length).toBeGreaterThan(1);
  fs.writeFileSync(file, JSON.stringify({ ...record, tail: { ...record.tail, labels } }));
  return c;
}

/** As an earlier version left it: init waits, and what it waits on is a FIFO. */
async function waitingOnFifo(t: Scope): Promise<Container> {
  const c = await unknown(t);
  fs.rmSync(path.join(c.stateDirectory, "start.sock"));
  execFileSync("mkfifo", [path.join(c.stateDirectory, "exec.fifo")]);
  fs.writeFileSync(path.join(c.stateDirectory, "lock"), "");
  return c;
}

async function succeeds(c: Container, verbs: readonly (readonly [string, ...string[]])[]): Promise<void> {
  for (const [verb, ...words] of verbs) {
    const { code, stderr } = await c.verb(verb, ...words);
    expect([verb, code, stderr]).toEqual([verb, 0, ""]);
  }
}

async function expectListed(c: Container, status: string): Promise<void> {
  const { stdout, stderr } = await runtime(["list", "--format", "json"]);
  const found = (JSON.parse(stdout) as { id: string; status: string }[]).find(({ id }) => id === c.id);
  expect([found?.status, stderr]).toEqual([status, ""]);
}

function expectGone(c: Container, pid: number): void {
  expect([fs.existsSync(c.stateDirectory), fs.existsSync(`/proc/${pid}/ns/net`)]).toEqual([false, false]);
}

const WHILE_RUNNING = [
  ["exec", "/bin/true"],
  ["ps"],
  ["events", "--stats"],
  ["update", "--pids-limit=50"],
  ["pause"],
  ["resume"],
  ["kill", "URG"],
] as const;

check("a container with ops of another version lives its life", async (t) => {
  const c = await unknown(t);
  await expectListed(c, "created");
  await succeeds(c, [["state"], ["start"], ...WHILE_RUNNING]);
  const { pid, status } = await c.state();
  expect(status).toBe("running");
  await succeeds(c, [["kill", "KILL"]]);
  await c.waitForStatus("stopped");
  await succeeds(c, [["delete"]]);
  expectGone(c, pid);
});

check("a container with ops of another version is removed in every state", async (t) => {
  for (const [started, flags] of [
    [false, []],
    [false, ["--force"]],
    [true, ["--force"]],
  ] as const) {
    const c = await unknown(t);
    const pid = await c.pid();
    await succeeds(c, [...(started ? [["start"] as const] : []), ["delete", ...flags]]);
    expectGone(c, pid);
  }
});

check("a start that fails in an op of another version says what it was in one line", async (t) => {
  const c = await unknown(t, "echo told >&2; exit 3");
  const { code, stderr } = await c.verb("start");
  expect(code).toBe(1);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(/startContainer hook #0.*at \/hooks\/startContainer\/0/);
  await succeeds(c, [["delete", "--force"]]);
});

check("a created container that waits on a FIFO is told, cannot be started, and can be used up to that", async (t) => {
  const c = await waitingOnFifo(t);
  await expectListed(c, "created");
  const { code, stderr } = await c.verb("start");
  expect([code, stderr.trim().split("\n")]).toEqual([
    1,
    [expect.stringContaining(`cannot start \`${c.id}\`: an earlier version of tsrunc has created it`)],
  ]);
  expect(stderr).toContain(`delete --force ${c.id}`);
  expect((await c.state()).status).toBe("created");
  await succeeds(c, [...WHILE_RUNNING, ["kill", "KILL"]]);
  await c.waitForStatus("stopped");
  await succeeds(c, [["delete"]]);
});

for (const flags of [[], ["--force"]])
  check(`delete${flags.map((flag) => ` ${flag}`).join("")} of one that waits on a FIFO`, async (t) => {
    const c = await waitingOnFifo(t);
    const pid = await c.pid();
    await succeeds(c, [["delete", ...flags]]);
    expectGone(c, pid);
  });

check("a FIFO that a start left which was killed does not make a running container a created one", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sleep", "1000"];
  });
  await c.create();
  await c.start();
  execFileSync("mkfifo", [path.join(c.stateDirectory, "exec.fifo")]);
  expect((await c.state()).status).toBe("running");
  await succeeds(c, [...WHILE_RUNNING, ["delete", "--force"]]);
});
