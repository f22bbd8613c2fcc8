/** Each bundle of bundle-examples/ shows what its README says, under `RUNTIME` (dist/tsrunc when unset). */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const EXAMPLES = join(ROOT, "bundle-examples");
const [COMMAND = "", ...WORDS] = (process.env.RUNTIME ?? join(ROOT, "dist/tsrunc")).split(" ");
let dir = "";
let count = 0;
let id = "";

beforeAll(() => {
  dir = mkdtempSync("/tmp/tsrunc-examples-");
  execFileSync("chmod", ["755", dir]);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

beforeEach(() => {
  id = `example-${process.pid}-${++count}`;
});

function make(name: string): string {
  const bundle = join(dir, name);
  expect(execFileSync(join(EXAMPLES, "make.sh"), [name, bundle], { encoding: "utf8" })).toBe(`${bundle}\n`);
  return bundle;
}

function runtime(...args: readonly string[]): readonly string[] {
  return [...WORDS, "--root", join(dir, "state"), ...args];
}

function runExample(name: string): string {
  const result = spawnSync(COMMAND, runtime("run", "-b", make(name), id), { encoding: "utf8", timeout: 60_000 });
  expect(result).toMatchObject({ stderr: "", status: 0 });
  return result.stdout;
}

test("every example has a README line and a test", () => {
  const names = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(names.map((entry) => entry.name).sort()).toEqual([
    "hello",
    "hooks",
    "hostname-and-ps",
    "limits",
    "shell",
    "userns",
  ]);
  for (const { name } of names)
    expect(readFileSync(join(EXAMPLES, name, "README.md"), "utf8").trim().length).toBeGreaterThan(40);
});

test("hello says where it is", () => {
  expect(runExample("hello")).toBe("Hello from hello, where I am process 1 and user 0.\n");
});

test("shell gives an interactive shell on a terminal", async () => {
  // script(1) is the terminal's other end, as a user's emulator would be.
  const words = [COMMAND, ...runtime("run", "-b", make("shell"), id)].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", words, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
    if (output.includes("shell:/# ") && child.stdin.writable) child.stdin.end("tty; echo $((6 * 7)); exit 3\n");
  });
  const status = await new Promise((resolve) => child.on("exit", resolve));
  expect(output).toMatch(/\n\/dev\/(console|pts\/0)\r\n/);
  expect(output).toContain("\n42\r\n");
  expect(status).toBe(3);
}, 60_000);

test("limits keeps two busy loops to one CPU and a hog to 64 MiB", () => {
  const [cpu = "", memory = ""] = runExample("limits").split("\n");
  const percent = Number(/^cpu: 2 busy loops used (\d+) % of one CPU$/.exec(cpu)?.[1]);
  expect(percent).toBeGreaterThan(50);
  expect(percent).toBeLessThan(115);
  const reached = Number(/^memory: the hog was killed by signal 9 after (\d+) MiB$/.exec(memory)?.[1]);
  expect(reached).toBeGreaterThan(50);
  expect(reached).toBeLessThan(65);
}, 60_000);

test("userns is root inside and nobody outside", () => {
  const [uid, map, file] = runExample("userns").split("\n");
  expect(uid).toBe("0");
  expect(map?.trim().split(/\s+/)).toEqual(["0", "65534", "1"]);
  expect(file).toMatch(/^-rw-r--r-- +1 0 +0 +0 .* \/made-by-root$/);
  expect(statSync(join(dir, "userns/rootfs/made-by-root")).uid).toBe(65534);
});

test("hooks run in the order of the specification and are told the status", () => {
  const before = [
    "prestart: creating",
    "createRuntime: creating",
    "createContainer: creating",
    "startContainer: created",
  ];
  const output = runExample("hooks").trim().split("\n");
  expect(output.filter((line) => !line.startsWith("poststart"))).toEqual([...before, "process: running"]);
  const log = readFileSync(join(dir, "hooks/rootfs/hooks.log"), "utf8").trim().split("\n");
  expect(log.filter((line) => line.startsWith("poststart: "))).toHaveLength(1);
  expect(log.at(-1)).toBe("poststop: stopped");
});

test("hostname-and-ps sees a name and a process list of its own", () => {
  const [hostname, header, ...processes] = runExample("hostname-and-ps").trim().split("\n");
  expect(hostname).toBe("inside");
  expect(header).toMatch(/^PID +USER/);
  const rows = processes.map((line) => line.trim().split(/\s+/));
  expect(rows[0]?.[0]).toBe("1");
  expect(rows.length).toBeLessThanOrEqual(2); // some shells replace themselves by their last command
});

test("an unknown example names those there are", () => {
  const result = spawnSync(join(EXAMPLES, "make.sh"), ["nope"], { encoding: "utf8" });
  expect(result.status).toBe(1);
  expect(result.stderr).toBe(
    "make.sh: no example `nope`; there are: hello hooks hostname-and-ps limits shell userns\n",
  );
});
