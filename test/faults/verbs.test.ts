/** Ops of start, exec and delete made to fail. `plan` does not print these: indices are counted up until none fails. */
import { afterAll, afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { config, makeBundle, removeAll, TAG } from "./lib/bundle.ts";
import { leftOf, processCount } from "./lib/left.ts";
import { messageProblem, type Outcome, tsrunc } from "./lib/run.ts";
import { deleteProblems } from "./lib/sweep.ts";

let count = 0;
const made: string[] = [];

setDefaultTimeout(300_000);
afterAll(removeAll);
afterEach(async () => {
  for (const id of made.splice(0)) await tsrunc(["delete", "--force", id]);
});

async function create(script = "sleep 1000"): Promise<string> {
  const id = `${TAG}-verb${++count}`;
  made.push(id);
  const { status, stderr } = await tsrunc(["create", "--bundle", makeBundle(id, config(id, script)), id]);
  expect([status, stderr]).toEqual([0, ""]);
  return id;
}

async function started(): Promise<string> {
  const id = await create();
  expect((await tsrunc(["start", id])).status).toBe(0);
  return id;
}

async function statusOf(id: string): Promise<string> {
  return (JSON.parse((await tsrunc(["state", id])).stdout) as { status: string }).status;
}

/** Calls `attempt` with a fault at each index, until one beyond the last op does no harm. */
async function eachOp(
  list: string,
  error: string,
  attempt: (fault: string) => Promise<{ readonly outcome: Outcome; readonly problems: string[] }>,
): Promise<{ readonly ops: number; readonly problems: string[] }> {
  const problems: string[] = [];
  for (let index = 0; ; index++) {
    const fault = `${list}:${index}:${error}`;
    const { outcome, problems: found } = await attempt(fault);
    if (outcome.status === 0) return { ops: index, problems };
    problems.push(...failed(error === "KILL", list, outcome).map((text) => `${fault}: ${text}`), ...found);
    if (index > 200) throw new Error("no end of ops");
  }
}

function failed(killed: boolean, list: string, { status, stderr }: Outcome): string[] {
  if (killed && list === "launcher") return status === 137 && stderr === "" ? [] : [`status ${status}: ${stderr}`];
  const message = messageProblem(stderr, undefined);
  return message === undefined ? [] : [message];
}

test.each(["EIO", "KILL"])("start: %s of any op can be cleaned up", async (error) => {
  const { ops, problems } = await eachOp("launcher", error, async (fault) => {
    const id = await create();
    const outcome = await tsrunc(["start", id], fault);
    const left = outcome.status !== 0 && outcome.stderr.includes("(at /hooks/poststart/0)") ? await leftOf(id) : [];
    return { outcome, problems: [...left, ...(await deleteProblems(id))].map((text) => `${fault}: ${text}`) };
  });
  expect(problems).toEqual([]);
  expect(ops).toBe(4); // lock, release, unlink, the poststart hook
});

test("start: a fault before init is let through leaves a container that can be started", async () => {
  const id = await create();
  expect((await tsrunc(["start", id], "launcher:0:EIO")).status).toBe(1);
  expect((await tsrunc(["start", id], "launcher:1:EIO")).status).toBe(1);
  expect(await statusOf(id)).toBe("created");
  expect((await tsrunc(["start", id])).status).toBe(0);
});

test("start: a poststart hook that fails takes the container away", async () => {
  const id = await create();
  const { status, stderr } = await tsrunc(["start", id], "launcher:3:ENOEXEC");
  expect(status).toBe(1);
  expect(messageProblem(stderr, "/hooks/poststart/0")).toBeUndefined();
  expect(await leftOf(id)).toEqual([]);
});

test.each([
  ["launcher", "EIO"],
  ["launcher", "KILL"],
  ["init", "EIO"],
  ["init", "KILL"],
])("exec: %s %s of any op does the container no harm", async (list, error) => {
  const id = await started();
  const processes = processCount(id);
  const { ops, problems } = await eachOp(list, error, async (fault) => {
    const outcome = await tsrunc(["exec", id, "/bin/true"], fault);
    const right = [0, 137, 255].includes(outcome.status) ? [] : [`${fault}: status ${outcome.status}`];
    const running = (await statusOf(id)) === "running" ? [] : [`${fault}: the container is not running`];
    return { outcome, problems: [...right, ...running] };
  });
  expect(problems).toEqual([]);
  expect(ops).toBeGreaterThan(10);
  expect((await tsrunc(["exec", id, "/bin/true"])).status).toBe(0);
  for (let tries = 0; processCount(id) > processes && tries < 500; tries++) await Bun.sleep(5);
  expect(processCount(id)).toBe(processes);
  expect(await deleteProblems(id)).toEqual([]);
});

test("delete --force of a container that is still being created ends the create", async () => {
  const id = `${TAG}-verb${++count}`;
  const sleep = { path: "/bin/sleep", args: ["sleep", "1000"], env: [`TAG=${id}`] };
  const content = { ...config(id, "exit 0"), hooks: { createContainer: [sleep] } };
  const creating = tsrunc(["create", "--bundle", makeBundle(id, content), id]);
  for (let tries = 0; processCount(id) < 3 && tries < 2000; tries++) await Bun.sleep(5);
  expect(await statusOf(id)).toBe("creating");
  expect(await deleteProblems(id)).toEqual([]);
  expect((await creating).status).toBe(137);
});

test.each(["EIO", "KILL"])("delete --force: %s of any op is made good by a second one", async (error) => {
  const { ops, problems } = await eachOp("launcher", error, async (fault) => {
    const id = await started();
    const outcome = await tsrunc(["delete", "--force", id], fault);
    const repeated = outcome.status === 0 ? [] : await deleteProblems(id);
    if (outcome.status === 1 && !outcome.stderr.includes(`\`delete --force ${id}\``))
      repeated.push(`the message does not say how the rest goes: ${outcome.stderr}`);
    return { outcome, problems: [...repeated, ...(await leftOf(id))].map((text) => `${fault}: ${text}`) };
  });
  expect(problems).toEqual([]);
  expect(ops).toBeGreaterThan(4); // lock, signal, cgroup, the poststop hook, the directory
});
