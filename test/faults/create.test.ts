/** Whatever op of `create` fails: one line says where it came from, and nothing is left. Root only. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { config, removeAll } from "./lib/bundle.ts";
import { leftOf } from "./lib/left.ts";
import { messageProblem, type Plan, tsrunc } from "./lib/run.ts";
import {
  type Case,
  casesOf,
  deleteProblems,
  failureProblems,
  type Judge,
  killedProblems,
  type Subject,
  subjectPlan,
  sweep,
} from "./lib/sweep.ts";

const SUBJECT: Subject = { name: "create", verb: "create", config: (id) => config(id, "exit 0") };
let plan: Plan;

setDefaultTimeout(300_000);
afterAll(removeAll);

test("the plan has the ops that these tests are about", async () => {
  plan = await subjectPlan(SUBJECT);
  const names = [...plan.launcher, ...plan.init].map(({ op }) => op);
  for (const name of [
    "mkdir",
    "clone",
    "spawn",
    "putFile",
    "device",
    "mask",
    "readonly",
    "seccomp",
    "awaitStart",
    "exec",
  ])
    expect(names).toContain(name);
  expect(casesOf(plan, ["launcher", "init"], ["EIO"]).length).toBeGreaterThan(100);
});

/** From this op of init on `create` may be through already. */
function released(): number {
  return plan.init.findLastIndex(({ op }) => op === "await");
}

/** It is `start` that finds out: it fails, with the reason where init lived to tell it. */
async function startProblems(at: Case, id: string): Promise<string[]> {
  const { status, stderr } = await tsrunc(["start", id]);
  // A killed init that its new parent has taken already cannot be told from a program that was very short.
  if (at.error === "KILL" && status === 0) return await deleteProblems(id);
  const told = at.error !== "KILL" && at.index > released() + 1;
  const message = messageProblem(stderr, told ? at.op.at : undefined);
  return [
    ...(status === 1 ? [] : [`start: status ${status}`]),
    ...(message === undefined ? [] : [`start: ${message}`]),
    ...(await deleteProblems(id)),
  ];
}

const judge: Judge = async (at, outcome, id) => {
  if (at.list === "launcher" && at.error === "KILL") return await killedProblems(outcome, id);
  const late = at.list === "init" && at.index >= released();
  return late && outcome.status === 0 ? await startProblems(at, id) : await failureProblems(at, outcome, id);
};

test.each(["EIO", "KILL"])("%s of any op", async (error) => {
  expect(await sweep(SUBJECT, casesOf(plan, ["launcher", "init"], [error]), judge)).toEqual([]);
});

/** `create` fails by itself, and then one op of its cleaning up does too. */
const HOPELESS: Subject = {
  name: "cleanup",
  verb: "create",
  config: (id) => {
    const content = config(id, "");
    return { ...content, process: { ...(content.process as object), args: ["/none"] } };
  },
};

test("any op of the cleaning up, after an op failed", async () => {
  const cases = casesOf(await subjectPlan(HOPELESS), ["cleanup"], ["EIO", "KILL"]);
  const problems = await sweep(HOPELESS, cases, async (at, outcome, id) => {
    if (at.error === "KILL") return await killedProblems(outcome, id);
    const [warning = "", message = "", ...more] = outcome.stderr.trim().split("\n");
    const told = warning.includes("level=warning") && message.includes("(at /process/args/0)") && more.length === 0;
    // What remains is said, and how it goes.
    const wayOut = message.includes(`\`delete --force ${id}\``);
    const kept = (await leftOf(id, 0)).some((text) => text.startsWith("state "));
    return [
      ...(outcome.status === 1 && told ? [] : [`status ${outcome.status}: ${outcome.stderr}`]),
      ...(kept ? [] : ["the state directory is gone"]),
      ...(wayOut ? [] : [`the message does not say how the rest goes: ${message}`]),
      ...(await deleteProblems(id)),
    ];
  });
  expect(problems).toEqual([]);
  expect(cases.length).toBeGreaterThan(5);
});
