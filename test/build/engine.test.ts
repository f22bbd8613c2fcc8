import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, type SpawnSyncOptions, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inNode } from "../quickjs/make.ts";

const FIXTURES = join(import.meta.dir, "fixtures");
/** Ours: Bun gets it instead of what the caller set. */
const SETTING = "BUN_JSC_useJIT=0";
let dir = "";
let probe = "";

/**
 * Compiles fixtures/probe.ts as build.mjs compiles the command line, with fixtures/init.c for tsrunc-init. What stands
 * for the command line in our own engine leaves everything to Bun.
 */
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tsrunc-engine-"));
  probe = join(dir, "probe");
  execFileSync("cc", ["-static", "-o", join(dir, "init"), join(FIXTURES, "init.c")]);
  execFileSync("cc", ["-o", join(dir, "start"), join(FIXTURES, "start.c")]);
  writeFileSync(join(dir, "bun.js"), "globalThis.start = () => host.startBun();");
  makeEngine("engine", "bun.js");
  inNode(`compileExecutable({ entry: "${FIXTURES}/probe.ts", out: "${probe}", ...${paths("engine")} });`);
}, 180_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function paths(name: string): string {
  return JSON.stringify({ engine: join(dir, name), heap: join(dir, `${name}.heap`) });
}

function makeEngine(name: string, script: string): void {
  const { engine, heap } = JSON.parse(paths(name));
  const parts = { out: engine, heap, init: join(dir, "init"), script: join(dir, script) };
  inNode(`await buildEngine(${JSON.stringify(parts)});`);
}

interface Seen {
  readonly argv0: string;
  readonly args: readonly string[];
  readonly execArgv: readonly string[];
  readonly cwd: string;
  readonly env: readonly string[];
  readonly original: readonly string[];
  readonly init: string;
  readonly writeToInit: string;
  readonly writeToReopenedInit: string;
  readonly truncateInit: string;
}

function runProbe(
  args: readonly string[] = [],
  options: SpawnSyncOptions = {},
): { seen: Seen; rest: string; status: number } {
  const result = spawnSync(probe, args, { env: {}, ...options, encoding: "utf8" });
  const [first = "", ...rest] = result.stdout.split("\n");
  expect(result.stderr).toBe("");
  return { seen: JSON.parse(first), rest: rest.join("\n"), status: result.status ?? -1 };
}

test("the name, the limit on open files and the descriptor of tsrunc-init arrive in argv[0]", () => {
  const { seen } = runProbe(["a", "--b"], { argv0: "runc" });
  const soft = execFileSync("sh", ["-c", "ulimit -Sn"], { encoding: "utf8" }).trim();
  const nofile = soft === "unlimited" ? "18446744073709551615" : soft;
  expect(seen.argv0).toMatch(new RegExp(`^runc\u001fnofile=${nofile};init=40;start=\\d+;wall=\\d+$`));
  expect(seen.args).toEqual(["a", "--b"]);
});

test("tsrunc-init is in a sealed memfd that nobody can change", () => {
  const { seen } = runProbe();
  expect(seen.init).toBe("/memfd:tsrunc-init (deleted)");
  expect([seen.writeToInit, seen.writeToReopenedInit, seen.truncateInit]).toEqual(["EPERM", "EPERM", "EPERM"]);
});

test("the process can become the embedded tsrunc-init", () => {
  const { rest, status } = runProbe(["--exec"]);
  expect(rest).toBe("init runs as the-init, 1 argument\n");
  expect(status).toBe(7);
});

test("Bun's own setting stands alone in an empty environment, and /proc/self/environ stays the caller's", () => {
  expect(runProbe([], { env: {} }).seen.env).toEqual([SETTING]);
  const { seen } = runProbe([], { env: { BUN_JSC_useJIT: "1", A: "1", A_: "" } });
  expect(seen.env).toEqual([SETTING, "A=1", "A_="]);
  expect(seen.original).toEqual(["BUN_JSC_useJIT=1", "A=1", "A_="]);
});

test("the JIT is off, whatever the environment says", () => {
  const { seen } = runProbe(["create", "x"], { env: { BUN_JSC_useJIT: "1", BUN_OPTIONS: "--smol" } });
  expect(seen.env).toEqual(["BUN_JSC_useJIT=0"]);
});

const preload = () => {
  const file = join(dir, "preload.js");
  writeFileSync(file, 'console.log("preloaded")');
  return file;
};

test.each([
  ["BUN_OPTIONS", () => `--preload=${preload()}`],
  ["BUN_BE_BUN", () => "1"],
  ["BUN_INSPECT", () => "127.0.0.1:0?break=1"],
  ["BUN_INSPECT_PRELOAD", preload],
  ["BUN_INSPECT_CONNECT_TO", () => "/nonexistent"],
  ["BUN_JSC_dumpOptions", () => "1"],
  ["BUN_BYTECODE_ORDER_OUT", () => join(dir, "planted-output")],
  ["NODE_OPTIONS", () => `--require=${preload()}`],
  ["NODE_CHANNEL_FD", () => "1"],
  ["JSC_useJIT", () => "0"],
  ["MIMALLOC_VERBOSE", () => "1"],
  ["mimalloc_verbose", () => "1"],
])("Bun does not see %s", (name, value) => {
  const { seen } = runProbe([], { env: { FIRST: "1", [name]: value(), LAST: "2" }, cwd: dir });
  expect([...seen.env].sort()).toEqual([SETTING, "FIRST=1", "LAST=2"]);
  expect(seen.execArgv).toEqual([]);
  expect(() => statSync(join(dir, "planted-output"))).toThrow("ENOENT");
});

test("files of the current directory that configure Bun do nothing", () => {
  const planted = join(dir, "planted");
  mkdirSync(join(planted, "node_modules/fs"), { recursive: true });
  const bad = 'console.log("planted code ran")';
  writeFileSync(join(planted, "evil.js"), bad);
  writeFileSync(join(planted, "node_modules/fs/index.js"), bad);
  writeFileSync(join(planted, ".env"), "PLANTED=1\n");
  writeFileSync(join(planted, "bunfig.toml"), 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n');
  writeFileSync(
    join(planted, "tsconfig.json"),
    '{"compilerOptions":{"paths":{"node:fs":["./evil.js"],"fs":["./evil.js"]}}}',
  );
  writeFileSync(join(planted, "package.json"), '{"type":"commonjs","imports":{"#x":"./evil.js"},"main":"./evil.js"}');
  const { seen, rest } = runProbe([], { cwd: planted, env: { HOME: planted } });
  expect(seen.env).toEqual([SETTING, `HOME=${planted}`]);
  expect(rest).toBe("");
});

test("a deleted working directory becomes / and is told", () => {
  const script = `mkdir "$0/gone" && cd "$0/gone" && rmdir "$0/gone" && exec "$1"`;
  const seen: Seen = JSON.parse(execFileSync("sh", ["-c", script, dir, probe], { encoding: "utf8" }));
  expect(seen.argv0).toEndWith(";cwd=deleted");
  expect(seen.cwd).toBe("/");
});

test("descriptors from 3 on stay free for --preserve-fds, also when stdio is closed", () => {
  const output = join(dir, "out.json");
  execFileSync("sh", ["-c", `exec "$0" 3>"$1" 0<&- 2>&- >"$1.main"`, probe, output]);
  const seen: Seen = JSON.parse(readFileSync(`${output}.main`, "utf8"));
  expect(seen.argv0).toContain(";init=40;");
  expect(seen.init).toBe("/memfd:tsrunc-init (deleted)");
  expect(spawnSync("sh", ["-c", `exec "$0" <&- >&- 2>&-`, probe]).status).toBe(0);
});

test("a limit on open files below the wanted descriptor still gives one", () => {
  const output = spawnSync("sh", ["-c", `ulimit -n 30; exec "$0" --exec`, probe], { encoding: "utf8" }).stdout;
  expect(output).toContain("nofile=30;init=3");
  expect(output).toEndWith("init runs as the-init, 1 argument\n");
});

test("an environment of two thousand variables keeps the ones that are the caller's", () => {
  const many = Array.from(
    { length: 2000 },
    (_, i) => [i % 2 === 0 ? `BUN_${i}` : `KEEP_${i}`, "x".repeat(100)] as const,
  );
  const { seen } = runProbe([], { env: Object.fromEntries(many) });
  expect(seen.env.filter((entry) => entry.startsWith("KEEP_"))).toHaveLength(1000);
  expect(seen.env.filter((entry) => entry.startsWith("BUN_"))).toEqual([SETTING]);
});

test("an empty argument list is no crash", () => {
  const result = spawnSync(join(dir, "start"), [probe, "noargs"], { env: {}, encoding: "utf8" });
  expect(result.stderr).toBe("");
  expect(JSON.parse(result.stdout).argv0).toStartWith("\u001fnofile=");
});

test("without /proc there is one line and status 1", () => {
  const result = spawnSync(join(dir, "start"), [probe, "noproc"], { encoding: "utf8" });
  expect(result).toMatchObject({ stdout: "", stderr: "tsrunc: /proc is not mounted\n", status: 1 });
});

test("the build fails clearly where an executable is not laid out as expected", () => {
  const inject = (file: string) => () => inNode(`injectEngine({ executable: "${file}", ...${paths("engine")} });`);
  const text = join(dir, "text");
  writeFileSync(text, "x".repeat(100));
  expect(inject(text)).toThrow("not laid out as expected: no ELF file");
  const twice = join(dir, "twice");
  copyFileSync(probe, twice);
  expect(inject(twice)).toThrow("not laid out as expected: the heap would lie in Bun's segments");
});
