/** Every verb on containers that were made before something went wrong with the host. */
import type { Container } from "../../../conformance/lib/container.ts";
import type { Scope } from "../../../conformance/lib/harness.ts";
import type { Result } from "../../../conformance/lib/runtime.ts";
import { dropNamespace, type Spec } from "../../../conformance/lib/spec.ts";
import type { Elsewhere } from "./elsewhere.ts";

export interface Made {
  readonly running: Container;
  readonly created: Container;
  /** Each is removed in a way of its own. */
  readonly doomed: Readonly<Record<"running" | "created" | "started" | "shared" | "stopped", Container>>;
}

/** All containers, while all is well. */
export async function makeContainers(t: Scope, at: Elsewhere, patch: (spec: Spec) => void = () => {}): Promise<Made> {
  const make = async (start: boolean, more: (spec: Spec) => void = () => {}): Promise<Container> => {
    const c = t.container((spec) => {
      patch(spec);
      spec.process.args = ["/bin/sleep", "1000"];
      more(spec);
    });
    // Whatever the test has done to the place, nothing may outlive it.
    t.cleanup(async () => void (await at.verb("delete", c, "--force")));
    succeeded("create", await at.create(c));
    if (start) succeeded("start", await at.verb("start", c));
    return c;
  };
  const script = "sleep 1001 & sleep 1002 & exec sleep 1000";
  const doomed = {
    running: await make(true),
    created: await make(false),
    started: await make(false),
    shared: await make(true, (spec) => {
      dropNamespace(spec, "pid");
      spec.process.args = ["/bin/sh", "-c", script];
    }),
    stopped: await make(true),
  };
  return { running: await make(true), created: await make(false), doomed };
}

export type Step = readonly [name: string, call: () => Promise<Result>];

/** Verbs that change nothing for good, in an order in which each succeeds on a sound host. */
export function harmlessSteps(at: Elsewhere, { running, created }: Made): readonly Step[] {
  return [
    ["list", () => at.call(["list", "--quiet"])],
    ["state", () => at.verb("state", running)],
    ["start", () => at.verb("start", created)],
    ["exec", () => at.verb("exec", running, "/bin/true")],
    ["exec --detach", () => at.verb("exec", running, "--detach", "/bin/sleep", "1003")],
    ["ps", () => at.verb("ps", running)],
    ["events", () => at.verb("events", running, "--stats")],
    ["update", () => at.verb("update", running, "--pids-limit=50")],
    ["pause", () => at.verb("pause", running)],
    ["resume", () => at.verb("resume", running)],
    ["kill --all", () => at.verb("kill", running, "--all", "URG")],
    ["kill", () => at.verb("kill", running, "URG")],
  ];
}

/** Verbs that end containers. */
export function endingSteps(at: Elsewhere, { running, doomed }: Made): readonly Step[] {
  return [
    ["kill KILL", () => at.verb("kill", running, "KILL")],
    ["kill KILL of a shared pid namespace", () => at.verb("kill", doomed.shared, "KILL")],
    ["kill TERM of a created one", () => at.verb("kill", doomed.stopped, "KILL")],
  ];
}

export function removingSteps(at: Elsewhere, { running, created, doomed }: Made): readonly Step[] {
  return [
    ["delete of a stopped one", () => at.verb("delete", running)],
    ["delete of a shared pid namespace", () => at.verb("delete", doomed.shared)],
    ["delete of a created one", () => at.verb("delete", doomed.created)],
    ["delete --force of a created one", () => at.verb("delete", doomed.started, "--force")],
    ["delete --force of a running one", () => at.verb("delete", doomed.running, "--force")],
    ["delete --force of a started one", () => at.verb("delete", created, "--force")],
    ["delete --force of a stopped one", () => at.verb("delete", doomed.stopped, "--force")],
  ];
}

/** What is wrong with the outcome of a step. */
export type Judge = (name: string, result: Result) => string | undefined;

/** Runs the steps, and collects what is wrong. */
export async function walk(steps: readonly Step[], judge: Judge = expectSuccess): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [name, call] of steps) {
    const result = await call();
    const found = judge(name, result) ?? (result.code === 0 ? undefined : wordsProblem(result));
    if (found !== undefined) problems.push(`${name}: ${found}`);
  }
  return problems;
}

export const expectSuccess: Judge = (_, { code, signal, stderr }) =>
  code === 0 && stderr === "" ? undefined : `${code ?? signal}: ${stderr}`;

/** An error is one line of ours: no stack trace, no talk of insides. */
export function wordsProblem({ stderr }: Result): string | undefined {
  const lines = stderr.split("\n").filter((line) => line !== "");
  const strange = /internal error|is damaged$|undefined|\[object|NaN| at .*\.[tj]s:\d/.exec(stderr);
  if (strange !== null) return `strange words \`${strange[0]}\`: ${stderr}`;
  return lines.filter((line) => line.includes("level=error")).length === 1 ? undefined : `not one error: ${stderr}`;
}

function succeeded(what: string, { code, signal, stderr }: Result): void {
  if (code !== 0) throw new Error(`${what}: ${code ?? signal}: ${stderr}`);
}

/** Waits until all that has been killed is gone. */
export async function waitForEnds(at: Elsewhere, { running, doomed }: Made): Promise<void> {
  for (const c of [running, doomed.shared, doomed.stopped]) await at.waitFor(c, "stopped");
}
