/**
 * Whatever somebody has written to the files that are kept of a container: every verb says in one line what is wrong,
 * `list` goes on, and `delete --force` takes the container away. Root only.
 */
import { expect, setDefaultTimeout } from "bun:test";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { type Result, runtime } from "../../conformance/lib/runtime.ts";
import { wordsProblem } from "./lib/walk.ts";

area();
setDefaultTimeout(300_000);

/** Wrong for every field, but for those that may be such. */
const WRONG: Readonly<Record<string, unknown>> = {
  missing: undefined,
  null: null,
  "a number": 5,
  "a negative number": -1,
  "a fraction": 1.5,
  "a huge number": 1e300,
  "an object": {},
  "a list": [],
  "a list of anything": [null, 1, {}],
  true: true,
  text: "text",
  "an empty text": "",
  "text with NUL": "/a\u0000b",
  "a deep object": { a: { a: { a: [[[]]] } } },
};

const REQUIRED = ["id", "pid", "startTime", "bundle", "rootfs", "ociVersion", "created", "owner"];
const OPTIONAL = ["annotations", "creator", "cgroup", "resctrl", "tail", "noProcess", "noNewKeyring", "hostMounts"];
/** Below a field that is an object: [field, part, ...]. */
const NESTED: readonly (readonly string[])[] = [
  ["cgroup", "version"],
  ["cgroup", "manager"],
  ["cgroup", "paths"],
  ["cgroup", "systemd"],
  ["creator", "pid"],
  ["creator", "startTime"],
  ["tail", "first"],
  ["tail", "labels"],
  ["resctrl", "groups"],
  ["resctrl", "made"],
];
/** What is wrong only here. */
const SPECIAL: readonly (readonly [string, (record: Fields) => Fields])[] = [
  ["the id of another", (r) => ({ ...r, id: "other" })],
  ["a pid that no process can have", (r) => ({ ...r, pid: 2 ** 23 })],
  ["a relative bundle", (r) => ({ ...r, bundle: "bundle" })],
  ["a cgroup that leads elsewhere", (r) => ({ ...r, cgroup: withPaths(r, "/sys/fs/cgroup/../../../tmp") })],
  ["a relative cgroup", (r) => ({ ...r, cgroup: withPaths(r, "cgroup") })],
  ["a mount that is no path", (r) => ({ ...r, hostMounts: ["/a\u0000b"] })],
  ["labels without words", (r) => ({ ...r, tail: { first: 0, labels: [["exec"]] } })],
];

type Fields = Record<string, unknown>;

function withPaths({ cgroup }: Fields, to: string): Fields {
  const found = cgroup as { paths: Fields };
  return { ...found, paths: Object.fromEntries(Object.keys(found.paths).map((name) => [name, to])) };
}

function cases(): (readonly [string, (record: Fields) => Fields])[] {
  const found: (readonly [string, (record: Fields) => Fields])[] = [...SPECIAL];
  for (const [what, value] of Object.entries(WRONG)) {
    for (const field of REQUIRED) found.push([`${field}: ${what}`, (r) => ({ ...r, [field]: value })]);
    for (const field of OPTIONAL) found.push([`${field}: ${what}`, (r) => ({ ...r, [field]: value })]);
    for (const [field = "", part = ""] of NESTED)
      found.push([`${field}.${part}: ${what}`, (r) => ({ ...r, [field]: { ...(r[field] as Fields), [part]: value } })]);
  }
  // A container may have no cgroup.
  return found.filter(([what]) => what !== "cgroup: missing" && what !== "cgroup.paths: an object");
}

const stateFile = (c: Container): string => path.join(c.stateDirectory, "state.json");

/** A container, with what there is of it on the host. */
interface Victim {
  readonly c: Container;
  readonly record: Fields;
}

async function victim(t: Scope): Promise<Victim> {
  const c = await sleeper(t);
  return { c, record: JSON.parse(fs.readFileSync(stateFile(c), "utf8")) as Fields };
}

async function sleeper(t: Scope): Promise<Container> {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sleep", "1000"];
    spec.annotations = { a: "b" };
  });
  await c.create();
  await c.start();
  return c;
}

/** Every verb but `delete --force`, on a container whose files are not as they should be. */
function verbs(c: Container): readonly (() => Promise<Result>)[] {
  return [
    () => c.verb("state"),
    () => c.verb("start"),
    () => c.verb("exec", "/bin/true"),
    () => c.verb("ps"),
    () => c.verb("events", "--stats"),
    () => c.verb("update", "--pids-limit=50"),
    () => c.verb("pause"),
    () => c.verb("resume"),
    () => c.verb("kill", "URG"),
    () => c.verb("kill", "--all", "URG"),
    () => c.verb("delete"),
  ];
}

/** @param turn all verbs, or only those whose turn it is: what they read is the same */
async function problemsOf(c: Container, other: Container, turn?: number): Promise<string[]> {
  const problems: string[] = [];
  const all = verbs(c);
  for (const verb of turn === undefined ? all : [0, 1].map((i) => all[(2 * turn + i) % all.length]!)) {
    const result = await verb();
    const found = result.code === 0 ? undefined : result.code === null ? result.signal : wordsProblem(result);
    if (found !== undefined && found !== null) problems.push(found);
  }
  const list = await runtime(["list", "--quiet"]);
  if (list.code !== 0 || !list.stdout.includes(other.id)) problems.push(`list: ${list.code}: ${list.stderr}`);
  if (!list.stdout.includes(c.id) && !list.stderr.includes(c.id)) problems.push(`list does not tell of it`);
  return problems;
}

/** All that was the container's is gone; other containers are not. */
async function removalProblems({ c, record }: Victim): Promise<string[]> {
  const { code, stderr } = await c.verb("delete", "--force");
  const cgroups = Object.values((record.cgroup as { paths: Record<string, string> }).paths);
  const left = [c.stateDirectory, ...cgroups, `/proc/${record.pid}/ns/net`].filter((file) => fs.existsSync(file));
  return [...(code === 0 ? [] : [`delete --force: ${code}: ${stderr}`]), ...left.map((file) => `left: ${file}`)];
}

check("every field of state.json, with every wrong value", async (t) => {
  const other = await sleeper(t);
  const problems: string[] = [];
  let damaged = 0;
  for (const [turn, [what, change]] of cases().entries()) {
    const { c, record } = await victim(t);
    fs.writeFileSync(stateFile(c), JSON.stringify(change(record)));
    const state = await c.verb("state");
    if (state.code !== 0) damaged++;
    const found = state.code === 0 ? [] : await problemsOf(c, other, turn);
    problems.push(...[...found, ...(await removalProblems({ c, record }))].map((text) => `${what}: ${text}`));
    await c.dispose();
  }
  expect(problems).toEqual([]);
  expect(damaged).toBeGreaterThan(250);
});

/** Puts something else in the place of the file. */
function instead(make: (file: string) => void): (file: string) => void {
  return (file) => {
    fs.rmSync(file);
    make(file);
  };
}

function linked(file: string): void {
  fs.renameSync(file, `${file}~1`);
  fs.symlinkSync(`${file}~1`, file);
}

function directory(file: string): void {
  fs.mkdirSync(file);
  fs.writeFileSync(`${file}/x`, "");
}

const BINARY = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256));

const FORMS: readonly (readonly [string, (file: string, text: string) => void])[] = [
  ["empty", (file) => fs.writeFileSync(file, "")],
  ["cut off", (file, text) => fs.writeFileSync(file, text.slice(0, text.length / 2))],
  ["binary", (file) => fs.writeFileSync(file, BINARY)],
  ["null", (file) => fs.writeFileSync(file, "null")],
  ["in a list", (file, text) => fs.writeFileSync(file, `[${text}]`)],
  ["nested without end", (file) => fs.writeFileSync(file, "[".repeat(1_000_000))],
  ["full of digits", (file) => fs.writeFileSync(file, `{"pid":${"9".repeat(100_000)}}`)],
  ["a link", linked],
  ["a link to itself", instead((file) => fs.symlinkSync(path.basename(file), file))],
  ["a FIFO", instead((file) => execFileSync("mkfifo", [file]))],
  ["a directory", instead(directory)],
  ["a device", instead((file) => execFileSync("mknod", [file, "c", "1", "5"]))],
  ["1 GB and sparse", (file) => fs.truncateSync(file, 2 ** 30)],
  ["unreadable text", (file) => fs.writeFileSync(file, Buffer.from('{"id":"\xff\xfe"}', "latin1"))],
];

for (const [what, change] of FORMS)
  check(`a state.json that is ${what}`, async (t) => {
    const other = await sleeper(t);
    const { c, record } = await victim(t);
    change(stateFile(c), fs.readFileSync(stateFile(c), "utf8"));
    expect(await problemsOf(c, other)).toEqual([]);
    if (what !== "empty") {
      const again = await c.tryCreate();
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("already exists")]);
    }
    const start = Date.now();
    // Nothing is known of one whose state is empty, as after a loss of power.
    if (what === "empty") fs.writeFileSync(stateFile(c), "{");
    expect(await removalProblems({ c, record })).toEqual([]);
    expect(Date.now() - start).toBeLessThan(10_000);
  });

check("the state of another container is not believed", async (t) => {
  const [other, { c, record }] = [await sleeper(t), await victim(t)];
  fs.copyFileSync(stateFile(other), stateFile(c));
  expect(await problemsOf(c, other)).toEqual([]);
  expect(await removalProblems({ c, record })).toEqual([]);
  expect((await other.state()).status).toBe("running");
});

/** Changes of the config that is kept, as [name, change]. */
const CONFIGS: readonly (readonly [string, (text: string) => string])[] = [
  ["empty", () => ""],
  ["cut off", (text) => text.slice(0, text.length / 2)],
  ["null", () => "null"],
  ["a list", () => "[]"],
  ...[undefined, null, 5, "text", [], [null], {}].flatMap((value) =>
    ["process", "linux", "mounts", "hooks", "root", "ociVersion"].map(
      (field) => [`with ${field} ${JSON.stringify(value)}`, change((c) => ({ ...c, [field]: value }))] as const,
    ),
  ),
  ...[5, null, {}, "text", [null], [5], ["a\u0000b"]].flatMap((value) =>
    ["args", "env", "cwd", "user", "capabilities", "rlimits"].map(
      (field) =>
        [
          `with process.${field} ${JSON.stringify(value)}`,
          change((c) => ({ ...c, process: { ...(c.process as Fields), [field]: value } })),
        ] as const,
    ),
  ),
  ...[5, null, {}, "text", [null], [5], [{ type: 5 }]].flatMap((value) =>
    ["namespaces", "seccomp", "resources", "cgroupsPath"].map(
      (field) =>
        [
          `with linux.${field} ${JSON.stringify(value)}`,
          change((c) => ({ ...c, linux: { ...(c.linux as Fields), [field]: value } })),
        ] as const,
    ),
  ),
  ["with hooks of a wrong type", change((c) => ({ ...c, hooks: { poststop: 5, poststart: [null] } }))],
  ["with a hook without a path", change((c) => ({ ...c, hooks: { poststop: [{}] } }))],
];

function change(how: (config: Fields) => Fields): (text: string) => string {
  return (text) => JSON.stringify(how(JSON.parse(text) as Fields));
}

check("a kept config.json that was changed since", async (t) => {
  const other = await sleeper(t);
  const problems: string[] = [];
  for (const [turn, [what, to]] of CONFIGS.entries()) {
    const { c, record } = await victim(t);
    const file = path.join(c.stateDirectory, "config.json");
    fs.writeFileSync(file, to(fs.readFileSync(file, "utf8")));
    const exec = await c.verb("exec", "/bin/true");
    if (exec.code !== 0) problems.push(...[wordsProblem(exec) ?? []].flat().map((text) => `${what}: exec: ${text}`));
    const found = await problemsOf(c, other, turn);
    problems.push(...[...found, ...(await removalProblems({ c, record }))].map((text) => `${what}: ${text}`));
    await c.dispose();
  }
  expect(problems).toEqual([]);
});

for (const [what, to] of FORMS.filter(([name]) => /link|FIFO|directory|device|sparse/.test(name)))
  check(`a kept config.json that is ${what}`, async (t) => {
    const [other, { c, record }] = [await sleeper(t), await victim(t)];
    to(path.join(c.stateDirectory, "config.json"), "");
    expect(await problemsOf(c, other)).toEqual([]);
    expect(await removalProblems({ c, record })).toEqual([]);
  });

check("the bundle's config.json is of no interest after create", async (t) => {
  const c = await sleeper(t);
  fs.rmSync(c.file("config.json"));
  expect((await c.verb("exec", "/bin/true")).code).toBe(0);
  expect((await c.verb("pause")).code).toBe(0);
  expect((await c.verb("resume")).code).toBe(0);
  await c.down();
});
