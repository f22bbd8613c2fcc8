/** One container per op, that op made to fail. */
import { type Config, makeBundle, TAG, writeConfig } from "./bundle.ts";
import { leftOf } from "./left.ts";
import {
  type ListName,
  messageProblem,
  type Outcome,
  type Plan,
  type PlannedOp,
  planOf,
  tsrunc,
  type Verb,
} from "./run.ts";

/** What is swept: one kind of bundle, made to one verb. */
export interface Subject {
  readonly name: string;
  readonly verb: Verb;
  readonly config: (id: string) => Config;
  readonly flags?: readonly string[];
  /** Words before the command, e.g. `nsenter --net=FILE`. */
  readonly wrap?: readonly string[];
}

export interface Case {
  readonly list: ListName;
  readonly index: number;
  readonly op: PlannedOp;
  /** Errno name or KILL. */
  readonly error: string;
}

/** Finds what is wrong with one outcome; the id is that of the container, which was made of the bundle. */
export type Judge = (at: Case, outcome: Outcome, id: string, bundle: string) => Promise<string[]>;

/** The plan of a subject: indices and pointers are the same for all ids. */
export async function subjectPlan({ name, verb, config, flags = [] }: Subject): Promise<Plan> {
  const id = `${TAG}-${name}-plan`;
  return await planOf(verb, flags, makeBundle(id, config(id)), id);
}

export function casesOf(plan: Plan, lists: readonly ListName[], errors: readonly string[]): Case[] {
  return errors.flatMap((error) =>
    lists.flatMap((list) => plan[list].map((op, index) => ({ list, index, op, error }))),
  );
}

/** Runs all cases, two at a time, and collects what is wrong. */
export async function sweep(subject: Subject, cases: readonly Case[], judge: Judge): Promise<string[]> {
  const { name, verb, config, flags = [], wrap } = subject;
  const problems: string[] = [];
  let next = 0;
  const worker = async (lane: string) => {
    const bundle = makeBundle(`${TAG}-${name}-${lane}`, {});
    for (let at = cases[next++]; at !== undefined; at = cases[next++]) {
      const fault = `${at.list}:${at.index}:${at.error}`;
      const id = `${TAG}-${name}-${lane}-${at.list}-${at.index}-${at.error}`;
      writeConfig(bundle, config(id));
      const outcome = await tsrunc([verb, "--bundle", bundle, ...flags, id], fault, wrap);
      const found = await judge(at, outcome, id, bundle);
      problems.push(...found.map((text) => `${verb} ${fault} (${at.op.op}): ${text}`));
      if (found.length > 0) await tsrunc(["delete", "--force", id]);
    }
  };
  await Promise.all([worker("a"), worker("b")]);
  return problems;
}

/** Whatever is left, `state` and `list` can tell of it, or say that there is nothing. */
export async function lookProblems(id: string): Promise<string[]> {
  const state = await tsrunc(["state", id]);
  const list = await tsrunc(["list", "--format", "json"]);
  const told = state.status === 0 ? stateProblem(state.stdout) : messageProblem(state.stderr, undefined);
  return [
    ...(told === undefined ? [] : [`state: ${told}`]),
    ...(list.status === 0 && !list.stderr.includes(id) ? [] : [`list: status ${list.status}: ${list.stderr}`]),
    ...(list.stdout.includes(`"${id}"`) === (state.status === 0) ? [] : [`state and list differ: ${list.stdout}`]),
  ];
}

function stateProblem(text: string): string | undefined {
  const { status } = JSON.parse(text) as { status: string };
  return ["creating", "created", "running", "stopped"].includes(status) ? undefined : status;
}

/** The container can be looked at, and `delete --force` succeeds and leaves nothing. */
export async function deleteProblems(id: string): Promise<string[]> {
  const seen = await lookProblems(id);
  const { status, stderr } = await tsrunc(["delete", "--force", id]);
  const left = await leftOf(id);
  const gone = await tsrunc(["state", id]);
  return [
    ...seen,
    ...(gone.status === 1 && gone.stderr.includes("does not exist") ? [] : [`state after delete: ${gone.stderr}`]),
    ...(status === 0 ? [] : [`delete --force: status ${status}: ${stderr}`]),
    ...left.map((text) => `left after delete --force: ${text}`),
  ];
}

/** What create or run must do where an op fails: exit with an error, say one line that names the part of config.json, leave nothing. */
export async function failureProblems(at: Case, { status, stderr }: Outcome, id: string): Promise<string[]> {
  // Another way is tried, or nothing comes of it.
  if (at.error !== "KILL" && (at.op.orElse === true || at.op.quiet === true)) {
    return [...(status === 0 ? [] : [`status ${status}: ${stderr}`]), ...(await deleteProblems(id))];
  }
  const message = messageProblem(stderr, at.error === "KILL" ? undefined : at.op.at);
  const left = await leftOf(id);
  return [
    ...(status === 1 ? [] : [`status ${status}`]),
    ...(message === undefined ? [] : [message]),
    ...left.map((text) => `left: ${text}`),
    ...(await deleteProblems(id)),
  ];
}

/** What a SIGKILL of the launcher may leave is taken away by `delete --force`. */
export async function killedProblems({ status, stderr }: Outcome, id: string): Promise<string[]> {
  const right = status === 137 && stderr === "";
  return [...(right ? [] : [`status ${status}: ${stderr}`]), ...(await deleteProblems(id))];
}
