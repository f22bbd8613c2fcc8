/** The leak guard of the conformance suite on a machine that others use at the same time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { hierarchyRoots } from "../../conformance/lib/cgroup.ts";
import { directoriesBelow, livingProcesses, readOrEmpty } from "../../conformance/lib/proc.ts";
import { DEVICE } from "./device.ts";

/** For how long what leaky.ts leaves sleeps: others sleep too. */
const SECONDS = `1000.${process.pid}`;
const CHECKOUT = path.resolve(import.meta.dir, "../..");
const NEIGHBOUR = path.join(import.meta.dir, "neighbour.sh");

/** In mount and network namespaces of their own: what is tried here is not for the machine's. */
const BOTH = `
echo >"$1/go"
sh "$2" "$1" "$3" >"$1/rounds" 2>"$1/neighbour" &
neighbour=$!
trap 'rm -f "$1/go"' EXIT
directory=$1
shift 3
status=0
"$@" >"$directory/output" 2>&1 || status=$?
rm "$directory/go"
wait $neighbour || echo "the neighbour fails: $(cat "$directory/neighbour")"
exit $status`;

interface Outcome {
  readonly status: number | null;
  readonly output: string;
  /** What is wrong with the neighbour. */
  readonly complaint: string;
  readonly rounds: number;
}

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "guard-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs tests beside the neighbour. */
function besideNeighbour(files: readonly string[], strict: boolean): Outcome {
  const bun = [process.execPath, "test", "--timeout", "60000", ...files];
  const words = [
    "--mount",
    "--net",
    "--propagation",
    "private",
    "/bin/sh",
    "-c",
    BOTH,
    "sh",
    directory,
    NEIGHBOUR,
    DEVICE,
  ];
  const env = { ...process.env, NO_COLOR: "1", GUARD_SECONDS: SECONDS, CONFORMANCE_STRICT: strict ? "1" : "" };
  const { status, stdout, stderr } = spawnSync("unshare", [...words, ...bun], { encoding: "utf8", cwd: CHECKOUT, env });
  const read = (name: string) => readFileSync(path.join(directory, name), "utf8");
  return { status, output: read("output"), complaint: stdout + stderr, rounds: Number(read("rounds")) };
}

test("the suite passes beside somebody who makes and removes cgroups, mounts and processes all the time", () => {
  const files = ["lifecycle", "mounts", "cgroup-paths"].map((name) => `./conformance/${name}.test.ts`);
  const { status, output, complaint, rounds } = besideNeighbour(files, false);
  if (status !== 0) throw new Error(output);
  expect(complaint).toBe("");
  expect(rounds).toBeGreaterThan(10);
}, 300_000);

/** What the guard says of each of the tests in leaky.ts, the last excepted. */
const SAID = [
  "mount: .* /mnt rw",
  "mount: .* /usr /opt",
  "mount: .* /proc rw,nosuid,noatime",
  "cgroup: .*/left-by-cf[^/]*\\n *cgroup: .*/left-by-cf[^/]*/below",
  `process: \\d+ \\(sleep ${SECONDS}\\)`,
  `process: \\d+ \\(sleep ${SECONDS}\\)`,
  "state: .*/state/left",
  "state: /run/tsrunc/cf",
  "device: /dev/null of 0:0, mode 600",
  ...(DEVICE === "" ? [] : ["network device: cf"]),
];

function sleepers(): readonly number[] {
  return [...livingProcesses().keys()].filter((pid) => readOrEmpty(`/proc/${pid}/cmdline`) === `sleep\0${SECONDS}\0`);
}

test("whatever kind of thing a test leaves behind fails it and is removed; what is the neighbour's is not", () => {
  const { status, output, complaint, rounds } = besideNeighbour(["./test/guard/leaky.ts"], false);
  expect(status).toBe(1);
  const said = output.split("left behind:\n").slice(1);
  expect(said).toHaveLength(SAID.length);
  for (const [i, pattern] of SAID.entries()) expect(said[i]).toMatch(new RegExp(`^ *${pattern}`));
  expect(output).toMatch(/^\(pass\) nothing, after all this has been removed/m);
  expect(complaint).toBe("");
  expect(rounds).toBeGreaterThan(0);
  expect(sleepers()).toEqual([]);
  expect(
    hierarchyRoots()
      .flatMap(directoriesBelow)
      .filter((name) => name.includes("left-by-")),
  ).toEqual([]);
  expect(statSync("/dev/null").mode & 0o777).toBe(0o666);
}, 120_000);

test("the strict look counts everything new on the machine", () => {
  const file = path.join(import.meta.dir, `strict-${process.pid}.ts`);
  const cgroup = path.join(hierarchyRoots()[0] ?? "", `guard-${process.pid}`);
  writeFileSync(
    file,
    `import { mkdirSync } from "node:fs";
import { area, check } from "../../conformance/lib/harness.ts";
area();
check("a cgroup without a mark", () => { mkdirSync(${JSON.stringify(cgroup)}, { recursive: true }); });\n`,
  );
  try {
    expect(besideNeighbour([file], true).output).toContain(`cgroup: ${cgroup}\n`);
    rmdirSync(cgroup);
    expect(besideNeighbour([file], false)).toMatchObject({ status: 0, complaint: "" });
  } finally {
    rmSync(file);
    spawnSync("rmdir", [cgroup]);
  }
}, 60_000);
