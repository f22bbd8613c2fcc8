/** The suite as a program, with runtimes that are not as they should be. Needs root. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Clause, names, readClauses } from "../../conformance/runner/clauses.ts";
import type { RunResult } from "../../conformance/runner/result.ts";

const CHECKOUT = path.resolve(import.meta.dirname, "../..");
const TSRUNC = path.join(CHECKOUT, "dist/tsrunc");
const MAIN = path.join(CHECKOUT, "dist/conformance/runner/main.js");
const LONG = 240_000;
let directory = "";

beforeAll(() => {
  execFileSync("node", ["scripts/conformance.mjs"], { cwd: CHECKOUT, stdio: "inherit" });
  directory = mkdtempSync(path.join(tmpdir(), "suite-"));
}, LONG);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function suite(...args: readonly string[]) {
  return spawnSync("node", [MAIN, ...args], { encoding: "utf8", env: { PATH: process.env.PATH } });
}

/** tsrunc, but for what the shell text does; `$verb` is the verb. */
function broken(name: string, text: string): string {
  const file = path.join(directory, name);
  writeFileSync(
    file,
    `#!/bin/sh
for word; do case $word in create|start|state|kill|delete|run|exec|features) verb=$word; break ;; esac; done
${text}
exec ${TSRUNC} "$@"
`,
  );
  chmodSync(file, 0o755);
  return file;
}

function failed(result: RunResult): readonly string[] {
  return result.cases.filter(({ status }) => status === "failed").map(({ id }) => id);
}

test(
  "every pattern of clauses.json and fields.json names a case",
  () => {
    const cases = suite("--runtime", TSRUNC, "--list")
      .stdout.trim()
      .split("\n")
      .map((line) => line.slice(8));
    const fields = Object.values(
      JSON.parse(readFileSync(path.join(CHECKOUT, "conformance/fields.json"), "utf8")) as Record<
        string,
        Pick<Clause, "cases">
      >,
    );
    const without = [...readClauses(), ...fields].flatMap(({ cases: patterns = [] }) =>
      patterns.filter((pattern) => !cases.some((id) => names(pattern, id))),
    );
    // What depends on the devices that the kernel of this machine can make.
    expect(without.filter((pattern) => !pattern.startsWith("net-devices/"))).toEqual([]);
  },
  LONG,
);

test(
  "a runtime that conforms ends with status 0",
  () => {
    const { status, stdout } = suite("--runtime", TSRUNC, "--filter", "^state/");
    expect(stdout).toMatch(/every MUST that was checked is kept\n2 passed, 0 failed, 0 skipped\n$/);
    expect(status).toBe(0);
  },
  LONG,
);

test(
  "a wrong status in the state is found, told with expected and seen, and the status is 1",
  () => {
    const lies = broken("lies", `[ "$verb" = state ] && { ${TSRUNC} "$@" | sed 's/"created"/"running"/'; exit 0; }`);
    const output = path.join(directory, "lies.json");
    const { status } = suite(
      "--runtime",
      lies,
      "--filter",
      "^lifecycle/a created container",
      "--format",
      "json",
      "-o",
      output,
    );
    expect(status).toBe(1);
    const result = JSON.parse(readFileSync(output, "utf8")) as RunResult;
    expect(failed(result)).toContain(
      "lifecycle/a created container has not run its program and its state says created with a living pid",
    );
    const failure = result.cases.find(({ failure }) => failure !== undefined)?.failure;
    expect(failure?.detail).toContain('Expected: "created"');
    expect(failure?.detail).toContain('Received: "running"');
    expect(failure?.calls.some(({ words }) => words.includes("create"))).toBe(true);
  },
  LONG,
);

test(
  "what a runtime leaves behind fails the case that made it",
  () => {
    const leaks = broken("leaks", `[ "$verb" = delete ] && exit 0`);
    const { status, stdout } = suite("--runtime", leaks, "--filter", "^lifecycle/an id can be used again");
    expect(status).toBe(1);
    expect(stdout).toContain("exist");
  },
  LONG,
);

test(
  "failures of what is only beyond the specification leave the status 0",
  () => {
    const chatty = broken("chatty", `[ "$verb" = kill ] && echo killing`);
    const { status, stdout } = suite("--runtime", chatty, "--filter", "print nothing when they succeed");
    expect(stdout).toContain("1 failed");
    expect(status).toBe(0);
  },
  LONG,
);

test(
  "a runtime that can run nothing here is one line, and the status is 2",
  () => {
    const useless = broken("useless", `[ "$verb" = run ] && { echo 'no namespaces for you' >&2; exit 1; }`);
    const { status, stdout, stderr } = suite("--runtime", useless);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^tsrunc-conformance: run: exit status 1: no namespaces for you *\n$/);
    expect(suite("--runtime", "/nonexistent").stderr).toMatch(
      /^tsrunc-conformance: `\/nonexistent --version` does not work.*\n$/,
    );
  },
  LONG,
);

test(
  "a runtime that never ends is stopped in time, and the next case runs in a new worker",
  () => {
    const slow = broken("slow", `[ "$verb" = state ] && exec sleep 1000`);
    const { stdout } = suite(
      "--runtime",
      slow,
      "--filter",
      "^lifecycle/(state of an unknown|kill KILL ends a container)",
      "-j",
      "1",
      "--timeout",
      "2",
    );
    expect(stdout).toContain("did not end in time");
    expect(stdout).toMatch(/\d passed, \d failed, 0 skipped\n$/);
  },
  LONG,
);

test(
  "--keep leaves the bundle and prints the commands",
  () => {
    const { stdout } = suite(
      "--runtime",
      broken("late", `[ "$verb" = start ] && exit 7`),
      "--keep",
      "lifecycle/kill TERM reaches the program",
    );
    const bundle = /^the bundle is kept: (.*)$/m.exec(stdout)?.[1] ?? "";
    expect(stdout).toMatch(/ start .*# 7$/m);
    expect(JSON.parse(readFileSync(path.join(bundle, "config.json"), "utf8"))).toMatchObject({ process: { cwd: "/" } });
    const id = path.basename(bundle);
    expect(id).toMatch(/^bundle-/);
    const root = path.join(path.dirname(bundle), "state");
    for (const name of execFileSync("ls", [root], { encoding: "utf8" }).trim().split("\n"))
      execFileSync(TSRUNC, ["--root", root, "delete", "--force", name]);
    rmSync(path.dirname(bundle), { recursive: true, force: true });
  },
  LONG,
);

test(
  "workers side by side do not count each other's containers as left behind, on a machine of their own neither",
  () => {
    const { status, stdout } = spawnSync("node", [MAIN, "--runtime", TSRUNC, "--filter", "^(kill|ps)/", "-j", "2"], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, CONFORMANCE_STRICT: "1" },
    });
    expect(stdout).toMatch(/\n\d\d passed, 0 failed, \d+ skipped\n$/);
    expect(status).toBe(0);
  },
  LONG,
);

test(
  "--spec leaves out what came later",
  () => {
    const list = (spec: string) => suite("--runtime", TSRUNC, "--spec", spec, "--list").stdout;
    expect(list("1.2")).not.toContain("net-devices/a name with %d");
    expect(list("1.3")).toContain("net-devices/a name with %d");
  },
  LONG,
);
