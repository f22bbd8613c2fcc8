/** A create that died at any op: the next one of the same id takes away what was left of it. Root only. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Config, config, removeAll, writeConfig } from "./lib/bundle.ts";
import { leftOf, processCount } from "./lib/left.ts";
import { tsrunc } from "./lib/run.ts";
import { type Case, casesOf, deleteProblems, type Subject, subjectPlan, sweep } from "./lib/sweep.ts";

setDefaultTimeout(300_000);
afterAll(removeAll);

/** Name of the dead one's cgroup, where it is to be told from that of the next. */
const old = (id: string) => `${id}-old`;

function withLinux(id: string, changes: Record<string, string>): Config {
  const content = config(id, "exit 0");
  return { ...content, linux: { ...(content.linux as Config), ...changes } };
}

/** All is done on the host: mounts stay when nobody takes them away. */
function withoutMountNamespace(id: string): Config {
  const { linux, hooks, ...content } = config(id, "exit 0");
  const { maskedPaths, readonlyPaths, rootfsPropagation, sysctl, ...rest } = linux as Config;
  return {
    ...content,
    mounts: [{ destination: "/data", type: "tmpfs", source: "tmpfs" }],
    linux: { ...rest, namespaces: [{ type: "pid" }, { type: "uts" }] },
  };
}

async function nextProblems(id: string, bundle: string): Promise<string[]> {
  const { status, stderr } = await tsrunc(["create", "--bundle", bundle, id]);
  const left = (await leftOf(old(id), 0)).filter((text) => text.startsWith("cgroup "));
  const processes = processCount(id);
  // Of its own it has one where it has no mount namespace, not one above the other.
  const mounts = (await leftOf(id, 0)).filter((text) => text.startsWith("mount "));
  return [
    ...(status === 0 && stderr === "" ? [] : [`the next create: status ${status}: ${stderr}`]),
    ...(processes === 1 ? [] : [`${processes} processes`]),
    ...(mounts.length < 2 ? [] : mounts),
    ...left.map((text) => `left of the dead one: ${text}`),
    ...(await deleteProblems(id)),
  ];
}

for (const [what, dead, next] of [
  ["the same cgroup", (id: string) => config(id, "exit 0"), undefined],
  [
    "another cgroup",
    (id: string) => withLinux(id, { cgroupsPath: `/${old(id)}` }),
    (id: string) => config(id, "exit 0"),
  ],
  ["no mount namespace", withoutMountNamespace, undefined],
] as const) {
  test(`create, then create again with ${what}`, async () => {
    const subject: Subject = { name: `stale-${what.replaceAll(" ", "-")}`, verb: "create", config: dead };
    const plan = await subjectPlan(subject);
    // After the last record it is a container that has been created.
    const end = plan.launcher.findLastIndex(({ op }) => op === "putFile");
    const cases = casesOf(plan, ["launcher"], ["KILL"]).filter(({ index }) => index <= end);
    let alive = 0;
    const problems = await sweep(subject, cases, async (_: Case, outcome, id, bundle) => {
      const left = [...(await leftOf(id, 0)), ...(await leftOf(old(id), 0))];
      alive += left.filter((text) => !text.startsWith("state ")).length;
      if (next !== undefined) writeConfig(bundle, next(id));
      const died = outcome.status === 137 ? [] : [`status ${outcome.status}: ${outcome.stderr}`];
      return [...died, ...(await nextProblems(id, bundle))];
    });
    expect(problems).toEqual([]);
    expect([cases.length > 5, alive > 0]).toEqual([true, true]);
  });
}
