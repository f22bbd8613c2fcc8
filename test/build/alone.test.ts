/** The executable where there is nothing else: no shell, no libc, no ps, no file but those of the bundle. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spec } from "../../src/spec/types.ts";
import { ROOT } from "../quickjs/make.ts";

const ID = `tsrunc-alone-${process.pid}`;
/**
 * Makes $0 the root, and then is "$@". It is no chroot, in which exec(2) of another process would be outside of the
 * container's root for any runtime: setns(2) goes to the root of a mount namespace. busybox is static, and of the old root.
 */
const IN_ROOT =
  'mount --bind "$0" "$0" && cd "$0" && for d in proc dev sys; do mount -o rbind /$d $d; done && ' +
  'pivot_root . old && "/old$BUSYBOX" umount -l /old && exec "$@"';
const BUSYBOX = realpathSync(Bun.which("busybox") ?? "");
const PROGRAM = `int pause(void); int main(int c, char **v) { while (c > 1 && v[1][0] == 'p') pause(); return c; }`;
const ENV = { PATH: process.env.PATH ?? "", BUSYBOX };
let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tsrunc-alone-"));
  for (const folder of ["proc", "dev", "sys", "run", "old", "bundle/rootfs"])
    mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(join(ROOT, "dist/tsrunc"), join(root, "tsrunc"));
  writeFileSync(join(root, "program.c"), PROGRAM);
  const compiled = ["-static", "-o", join(root, "bundle/rootfs/program"), join(root, "program.c")];
  expect(spawnSync("cc", compiled, { encoding: "utf8" }).stderr).toBe("");
  rmSync(join(root, "program.c"));
  expect(alone("spec", "--bundle", "/bundle", "--tty=false").status).toBe(0);
  configure((spec) => ({
    ...spec,
    process: { ...spec.process, args: ["/program", "p"] },
    root: { path: "rootfs", readonly: true },
    linux: { ...spec.linux, cgroupsPath: `/${ID}`, resources: { ...spec.linux?.resources, pids: { limit: 9 } } },
  }));
});

afterAll(() => {
  alone("delete", "--force", ID);
  rmSync(root, { recursive: true, force: true });
});

function configure(change: (spec: Spec) => unknown): void {
  const file = join(root, "bundle/config.json");
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as Spec)));
}

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the container inherits would keep a pipe open, hence files. */
function alone(...words: readonly string[]): Result {
  const [out, err] = ["out", "err"].map((name) => join(root, name));
  const script = `exec unshare -m "$BUSYBOX" sh -c '${IN_ROOT}' "$0" /tsrunc "$@" </dev/null >"$0/out" 2>"$0/err"`;
  const { status } = spawnSync("sh", ["-c", script, root, ...words], { timeout: 60_000, env: ENV });
  return { status, stdout: readFileSync(out ?? "", "utf8"), stderr: readFileSync(err ?? "", "utf8") };
}

function succeeds(...words: readonly string[]): string {
  const result = alone(...words);
  expect({ words, status: result.status, stderr: result.stderr }).toEqual({ words, status: 0, stderr: "" });
  return result.stdout;
}

function status(): string {
  return (JSON.parse(succeeds("state", ID)) as { readonly status: string }).status;
}

test("it is a static executable, stripped, of a few megabytes", () => {
  const file = join(ROOT, "dist/tsrunc");
  const headers = spawnSync("readelf", ["-hlSW", file], { encoding: "utf8" }).stdout;
  expect(headers).toContain("EXEC (Executable file)");
  expect(headers).not.toMatch(/INTERP|DYNAMIC|\.symtab|\.debug/);
  expect(readFileSync(file).length).toBeLessThan(6_500_000);
});

test("a container lives from create to delete, and every verb for it works", () => {
  succeeds("create", "--bundle", "/bundle", ID);
  expect(status()).toBe("created");
  succeeds("start", ID);
  expect(status()).toBe("running");
  const pids = JSON.parse(succeeds("ps", "--format", "json", ID)) as number[];
  expect(pids).toHaveLength(1);
  expect(readFileSync(`/proc/${pids[0]}/cmdline`, "utf8")).toBe("/program\0p\0");
  expect(succeeds("list")).toContain(ID);
  expect(JSON.parse(succeeds("events", "--stats", ID))).toMatchObject({ type: "stats", data: { pids: { limit: 9 } } });
  succeeds("update", "--pids-limit", "7", ID);
  expect(JSON.parse(succeeds("events", "--stats", ID))).toMatchObject({ data: { pids: { limit: 7 } } });
  expect(alone("exec", ID, "/program", "a", "b")).toMatchObject({ status: 3, stderr: "" });
  succeeds("pause", ID);
  expect(status()).toBe("paused");
  succeeds("resume", ID);
  succeeds("kill", ID, "KILL");
  while (status() !== "stopped");
  succeeds("delete", ID);
  expect(alone("state", ID).stderr).toContain("does not exist");
});

test("events follows a container to its end", () => {
  configure((spec) => ({ ...spec, process: { ...spec.process, args: ["/program", "p"] } }));
  succeeds("run", "--detach", "--bundle", "/bundle", ID);
  const script = `(while ! grep -q stats "$0/out" 2>/dev/null; do sleep 0.05; done
    unshare -m "$BUSYBOX" sh -c '${IN_ROOT}' "$0" /tsrunc kill ${ID} KILL) & exec unshare -m "$BUSYBOX" sh -c '${IN_ROOT}' "$0" /tsrunc "$@" >"$0/out"`;
  const words = ["events", "--interval", "50ms", ID];
  rmSync(join(root, "out"), { force: true });
  expect(
    spawnSync("sh", ["-c", script, root, ...words], { timeout: 60_000, encoding: "utf8", env: ENV }),
  ).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(readFileSync(join(root, "out"), "utf8")).toMatch(new RegExp(`^({"type":"stats","id":"${ID}",.*}\n)+$`));
  succeeds("delete", ID);
});

test("a foreground run hands the exit status on", () => {
  configure((spec) => ({ ...spec, process: { ...spec.process, args: ["/program", "a", "b", "c"] } }));
  expect(alone("run", "--bundle", "/bundle", ID)).toEqual({ status: 4, stdout: "", stderr: "" });
});

test.each([
  ["--help", "USAGE:"],
  ["exec --help", "--user"],
  ["help kill", "USAGE:"],
  ["--version", "spec: 1."],
  ["completion bash", "__complete"],
  ["completion zsh", "__complete"],
  ["completion fish", "__complete"],
  ["__complete st", "start"],
  ["features", "ociVersionMax"],
  ["plan --bundle /bundle", "pivot"],
])("%s", (words, text) => {
  expect(succeeds(...words.split(" "))).toContain(text);
});

test.each([
  ["strat x", "unknown command `strat`; did you mean `start`?"],
  ["exec --bogus x true", "unknown flag `--bogus`"],
  ["run --bunde /x y", "did you mean `--bundle`?"],
  ["ps --format yaml x", "--format"],
])("an error of the command line is logged: %s", (words, text) => {
  const log = join(root, "log");
  rmSync(log, { force: true });
  const result = alone("--log", "/log", "--log-format", "json", ...words.split(" "));
  expect(result.stderr).toContain(text);
  expect(result.status).not.toBe(0);
  const lines = readFileSync(log, "utf8").trim().split("\n");
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ level: "error", msg: expect.stringContaining(text) });
});

test("ps without ps(1) says so", () => {
  succeeds("create", "--bundle", "/bundle", ID);
  expect(alone("ps", ID)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("executable file not found in $PATH"),
  });
  succeeds("delete", "--force", ID);
  expect(existsSync(join(root, "run/tsrunc", ID))).toBe(false);
});
