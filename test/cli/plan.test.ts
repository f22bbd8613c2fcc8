/** `plan` prints what would be done, needs no root and touches nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

const MAIN = path.join(import.meta.dir, "../../src/cli/main.ts");
let bundle: string;

beforeAll(() => {
  bundle = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-plan-"));
  fs.mkdirSync(path.join(bundle, "rootfs"));
  tsrunc("spec", "--tty=false", "--", "/bin/true");
});
afterAll(() => {
  fs.rmSync(bundle, { recursive: true });
});

function tsrunc(...args: string[]): { readonly status: number; readonly out: string; readonly err: string } {
  const done = Bun.spawnSync([process.execPath, MAIN, ...args], { cwd: bundle });
  return { status: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

test("text: the program of run, and nothing is made", () => {
  const root = path.join(bundle, "none");
  const { status, out, err } = tsrunc("--root", root, "plan", "box");
  expect([status, err]).toEqual([0, ""]);
  expect(out).toStartWith("launcher:\n   0  ");
  expect(out).toMatch(/\n +\d+ {2}mount +type=proc source=proc dest=\/proc .*# mounts\[0\] \(\/proc\) \/mounts\/0\n/);
  expect(out).toMatch(/\n +\d+ {2}supervise\n/);
  expect(out).toMatch(/\n +\d+ {2}prepareExec +argv=\[\/bin\/true\] env=\[PATH=/);
  expect(fs.existsSync(root)).toBe(false);
  expect(fs.readdirSync(bundle).sort()).toEqual(["config.json", "rootfs"]);
});

test("json: the lists of ops; --create waits to be started instead of supervising", () => {
  const program = JSON.parse(tsrunc("plan", "--create", "--format", "json").out);
  expect(Object.keys(program)).toEqual(["launcher", "init", "cleanup", "keepFds"]);
  const names = (list: { op: string }[]) => list.map((op) => op.op);
  expect(names(program.init)).toContain("awaitStart");
  expect(names(program.launcher)).not.toContain("supervise");
});

test("a wrong config is one line with the pointer", () => {
  const config = path.join(bundle, "config.json");
  const text = fs.readFileSync(config, "utf8");
  fs.writeFileSync(config, text.replace('"type": "pid"', '"type": "pidd"'));
  const { status, err } = tsrunc("plan");
  fs.writeFileSync(config, text);
  expect(status).toBe(1);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(err).toContain("/linux/namespaces/0/type");
});
