import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, type SpawnSyncOptions, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inNode, makeProgram } from "../quickjs/make.ts";

const FIXTURES = join(import.meta.dir, "fixtures");
let dir = "";
let probe = "";

/** An executable as build.mjs makes it, of fixtures/probe.ts for the command line and fixtures/init.c for tsrunc-init. */
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tsrunc-engine-"));
  execFileSync("cc", ["-static", "-o", join(dir, "init"), join(FIXTURES, "init.c")]);
  execFileSync("cc", ["-o", join(dir, "start"), join(FIXTURES, "start.c")]);
  probe = makeProgram(dir, "probe", join(FIXTURES, "probe.ts"), join(dir, "init"));
}, 180_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Seen {
  readonly argv0: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: readonly string[];
  readonly initFd: number;
  readonly init: string;
  readonly writeToInit: string;
  readonly writeToReopenedInit: string;
  readonly sealToInit: string;
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

test("the name and the limit on open files arrive in argv[0]", () => {
  const { seen } = runProbe(["a", "--b"], { argv0: "runc" });
  const soft = execFileSync("sh", ["-c", "ulimit -Sn"], { encoding: "utf8" }).trim();
  const nofile = soft === "unlimited" ? "18446744073709551615" : soft;
  expect(seen.argv0).toMatch(new RegExp(`^runc\u001fnofile=${nofile};start=\\d+;wall=\\d+$`));
  expect(seen.args).toEqual(["a", "--b"]);
});

test("tsrunc-init is in a sealed memfd that nobody can change", () => {
  const { seen } = runProbe();
  expect(seen.init).toBe("/memfd:tsrunc-init (deleted)");
  expect([seen.writeToInit, seen.writeToReopenedInit, seen.sealToInit]).toEqual(["EPERM", "EPERM", "EPERM"]);
});

test("the process can become the embedded tsrunc-init", () => {
  const { rest, status } = runProbe(["--exec"]);
  expect(rest).toBe("init runs as the-init, 1 argument\n");
  expect(status).toBe(7);
});

test("the environment is the caller's, twice the same name and what is no text too", () => {
  const { seen } = runProbe([], { env: { BUN_OPTIONS: "--preload=/x", A_: "", "\u00fc": "1" } });
  expect([...seen.env].sort()).toEqual(["A_=", "BUN_OPTIONS=--preload=/x", "\u00fc=1"].sort());
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
  expect(seen.initFd).toBe(40);
  expect(seen.init).toBe("/memfd:tsrunc-init (deleted)");
  expect(spawnSync("sh", ["-c", `exec "$0" <&- >&- 2>&-`, probe]).status).toBe(0);
});

test("a limit on open files below the wanted descriptor still gives one", () => {
  const output = spawnSync("sh", ["-c", `ulimit -n 30; exec "$0" --exec`, probe], { encoding: "utf8" }).stdout;
  expect(JSON.parse(output.split("\n")[0] ?? "")).toMatchObject({
    argv0: expect.stringContaining("nofile=30"),
    initFd: 3,
  });
  expect(output).toEndWith("init runs as the-init, 1 argument\n");
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

test("a file that is no C source of ours cannot become a part of it: the linker may move nothing", () => {
  const script = `import { requireSameLayout } from "${join(import.meta.dir, "../../scripts/engine.mjs")}";
    try { requireSameLayout(toolchainFor(), "${probe}.empty", "${join(dir, "init")}"); } catch (error) { console.log(error.message); }`;
  expect(inNode(script)).toContain("the linker has moved `");
});
