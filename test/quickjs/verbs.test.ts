/** Which verbs our engine does by itself: with this variable ld.so, which only Bun needs, lists libraries and ends. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./make.ts";

function run(...words: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  const env = { LD_TRACE_LOADED_OBJECTS: "1" };
  return spawnSync(join(ROOT, "dist/tsrunc"), ["--root", "/run/tsrunc-nobody", ...words], { env, encoding: "utf8" });
}

test.each([
  "list",
  "list --format yaml",
  "strat x",
  "frob -h",
  "exec --bogus x",
  "checkpoint x",
  "state x",
  "start x",
  "kill x 9",
  "delete x",
  "exec x true",
  "ps x",
  "events x",
  "pause x",
  "resume x",
  "update --pids-limit 5 x",
  "create --bundle /nonexistent x",
  "run --bundle /nonexistent x",
  "plan --bundle /nonexistent",
])("%s is done without Bun", (words) => {
  const { stdout, stderr } = run(...words.split(" "));
  expect(stdout).toBe("");
  expect(stderr).toContain("level=error");
});

test.each(["features", "--version", "--help", "exec --help", "help kill", "completion zsh", "__complete st"])(
  "%s is done without Bun",
  (words) => {
    const { stdout, stderr } = spawnSync(join(ROOT, "dist/tsrunc"), words.split(" "), {
      env: { LD_TRACE_LOADED_OBJECTS: "1" },
      encoding: "utf8",
    });
    expect(stdout).not.toContain("libc.so");
    expect([stdout === "", stderr]).toEqual([false, ""]);
  },
);

test("numbers that a double would round are read to the last digit", () => {
  const bundle = mkdtempSync(join(tmpdir(), "tsrunc-digits-"));
  try {
    mkdirSync(join(bundle, "rootfs"));
    run("spec", "--bundle", bundle);
    const file = join(bundle, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    config.annotations = { é: "1234567890123456" };
    config.linux.resources = { memory: { limit: 4242 } };
    writeFileSync(file, JSON.stringify(config).replace("4242", "9007199254740993"));
    expect(run("plan", "--bundle", bundle).stdout).toContain("9007199254740993");
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
});

test.each([
  ['{"HostName":"x",', "/HostName: ignored, since names count by their case: found `HostName`, meant `hostname`?"],
  ['{"host\\u004eame" :"x",', "/hostName: ignored"],
  ['{"annotations":{"a":"Linux\\" :","b":"Root"},"unknownField":1,', undefined],
  ['{"linux":{"netDevices":{"Path":{}}},', undefined],
])("names that differ from known ones in case are found: %s", (start, warning) => {
  const bundle = mkdtempSync(join(tmpdir(), "tsrunc-names-"));
  try {
    mkdirSync(join(bundle, "rootfs"));
    writeFileSync(join(bundle, "config.json"), `${start}"ociVersion":"1.2.0","root":{"path":"rootfs"}}`);
    const { stderr } = run("plan", "--bundle", bundle);
    if (warning === undefined) expect(stderr).not.toContain("warning");
    else expect(stderr).toContain(warning);
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
});

/** More than a function of QuickJS takes arguments, and more than one page of words for Bun's stack. */
test.each(["exec x true", "ps x"])("%s with a hundred thousand words is understood", (words) => {
  const all = ["--root", "/run/tsrunc-nobody", ...words.split(" "), ...Array.from({ length: 100_000 }, () => "w")];
  const { stderr, status } = spawnSync(join(ROOT, "dist/tsrunc"), all, { env: {}, encoding: "utf8" });
  expect(stderr).toContain("container does not exist: `x`");
  expect(status).not.toBe(0);
});

test.each(["-s 64", "-v 200000", "-d 20000"])(
  "ulimit %s is enough for help and for errors of the command line",
  (limit) => {
    const script = `ulimit ${limit}; "$0" strat x; exec "$0" --help`;
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script, join(ROOT, "dist/tsrunc")], { encoding: "utf8" });
    expect(stderr).toContain("unknown command `strat`; did you mean `start`?");
    expect(stdout).toStartWith("NAME:\n");
    expect(status).toBe(0);
  },
);

test("a closed pipe is an error and not a signal", () => {
  const script = `{ sleep 0.2; exec "$0" features; } | exec true; echo "\${PIPESTATUS[0]}"`;
  const { stdout } = spawnSync("bash", ["-c", script, join(ROOT, "dist/tsrunc")], { encoding: "utf8" });
  expect(stdout).toBe("1\n");
});
