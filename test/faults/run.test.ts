/** Whatever op of `run` fails: one line says where it came from, and nothing is left. Root only. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { config, removeAll } from "./lib/bundle.ts";
import { casesOf, failureProblems, type Judge, killedProblems, type Subject, subjectPlan, sweep } from "./lib/sweep.ts";

const SUBJECT: Subject = { name: "run", verb: "run", config: (id) => config(id, "exit 0") };

setDefaultTimeout(300_000);
afterAll(removeAll);

const judge: Judge = async (at, outcome, id) =>
  at.list === "launcher" && at.error === "KILL"
    ? await killedProblems(outcome, id)
    : await failureProblems(at, outcome, id);

test.each(["ENOSPC", "KILL"])("%s of any op", async (error) => {
  const plan = await subjectPlan(SUBJECT);
  expect(plan.launcher.map(({ op }) => op)).toContain("supervise");
  expect(await sweep(SUBJECT, casesOf(plan, ["launcher", "init"], [error]), judge)).toEqual([]);
});

test("a launcher killed while it waits for a container that runs on", async () => {
  const endless: Subject = { ...SUBJECT, name: "endless", config: (id) => config(id, "sleep 1000") };
  const { launcher } = await subjectPlan(endless);
  const op = { op: "supervise" } as const;
  const index = launcher.findIndex((candidate) => candidate.op === op.op);
  expect(await sweep(endless, [{ list: "launcher", index, op, error: "KILL" }], judge)).toEqual([]);
});
