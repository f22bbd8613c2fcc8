/** What the executable does that the same sources under Node cannot show. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./make.ts";

function run(...words: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  return spawnSync(join(ROOT, "dist/tsrunc"), ["--root", "/run/tsrunc-nobody", ...words], {
    env: {},
    encoding: "utf8",
  });
}

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

/** More than a function of QuickJS takes arguments. */
test.each(["exec x true", "ps x"])("%s with a hundred thousand words is understood", (words) => {
  const all = ["--root", "/run/tsrunc-nobody", ...words.split(" "), ...Array.from({ length: 100_000 }, () => "w")];
  const { stderr, status } = spawnSync(join(ROOT, "dist/tsrunc"), all, { env: {}, encoding: "utf8" });
  expect(stderr).toContain("container does not exist: `x`");
  expect(status).not.toBe(0);
});

test.each(["-s 64", "-v 60000", "-d 20000", "-f 1000"])("ulimit %s is no hindrance", (limit) => {
  for (const words of ["state x", "ps x", "--help", "strat x"]) {
    const script = `ulimit ${limit}; exec "$0" ${words}`;
    const limited = spawnSync("sh", ["-c", script, join(ROOT, "dist/tsrunc")], { encoding: "utf8" });
    const { stdout, status } = spawnSync(join(ROOT, "dist/tsrunc"), words.split(" "), { encoding: "utf8" });
    expect(limited).toMatchObject({ stdout, status });
  }
});

test("a closed pipe is an error and not a signal", () => {
  const script = `{ sleep 0.2; exec "$0" features; } | exec true; echo "\${PIPESTATUS[0]}"`;
  const { stdout } = spawnSync("bash", ["-c", script, join(ROOT, "dist/tsrunc")], { encoding: "utf8" });
  expect(stdout).toBe("1\n");
});
