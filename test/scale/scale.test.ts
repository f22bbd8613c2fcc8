/**
 * What four times as much input costs, in the executable's own engine: about four times the time of the processor. What is
 * quadratic costs sixteen times.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { baseSpec, type Spec } from "../../conformance/lib/spec.ts";
import { placesOf, schemaOf } from "../fuzz/schema.ts";
import { FIELDS, type Fill } from "./fields.ts";

const TSRUNC = path.join(import.meta.dir, "../../dist/tsrunc");
const COUNT = 2000;
const MOST = 9;
/** Below this the start of the process is what is measured. */
const MEASURABLE_MS = 15;
const directory = mkdtempSync(path.join(tmpdir(), "tsrunc-scale-"));
mkdirSync(path.join(directory, "rootfs"));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Outcome {
  readonly ms: number;
  readonly status: number | null;
  readonly stderr: string;
}

function run(...words: string[]): Outcome {
  const done = Bun.spawnSync([TSRUNC, "--root", path.join(directory, "state"), ...words], { stdout: "ignore" });
  const { user, system } = done.resourceUsage!.cpuTime;
  return { ms: Number(user + system) / 1000, status: done.exitCode, stderr: done.stderr.toString() };
}

function plan(spec: Spec): Outcome {
  writeFileSync(path.join(directory, "config.json"), JSON.stringify(spec));
  return run("plan", "--bundle", directory);
}

function filled(fill: Fill, n: number): Spec {
  const spec = baseSpec();
  fill(spec, n);
  return spec;
}

const least = Math.min(...[1, 2, 3].map(() => plan(baseSpec()).ms));

/** An outcome that is no surprise: the plan, or one line that says what is wrong. */
function expectSense({ status, stderr }: Outcome): void {
  expect(stderr).not.toMatch(/internal error|out of memory/);
  expect(status === 0 || (status === 1 && stderr.trimEnd().split("\n").length === 1)).toBe(true);
}

function expectProportional(outcome: (n: number) => Outcome): void {
  // Again where others have disturbed the measurement: what is quadratic is so every time.
  let ratio = MOST;
  for (let tries = 0; ratio >= MOST && tries < 3; tries++) {
    const [one, four] = [outcome(COUNT), outcome(4 * COUNT)] as const;
    expectSense(one);
    expectSense(four);
    ratio = (four.ms - least) / Math.max(one.ms - least, MEASURABLE_MS);
  }
  expect(ratio).toBeLessThan(MOST);
}

test("every list and every map of config.json is here", () => {
  const places = placesOf(schemaOf("config.schema.json"));
  const lists = places.filter(({ node: { schema } }) => {
    return schema.items !== undefined || typeof schema.additionalProperties === "object";
  });
  expect(lists.map(({ at }) => at).sort()).toEqual(Object.keys(FIELDS).sort());
});

describe("as many entries as one likes", () => {
  for (const [at, fill] of Object.entries(FIELDS)) {
    test(at, () => expectProportional((n) => plan(filled(fill, n))), 60_000);
  }
});

/** What no entry of a list may be, or few. */
const WRONG: readonly unknown[] = [7, {}, "X", "a\u0000b", null, [], true, -1, 1e300, "", { type: 7 }, { path: null }];

/** A list or a map with wrong values in place of all entries. */
function withWrong(at: string, fill: Fill, n: number): Spec {
  const spec = filled(fill, n);
  let parent = spec as unknown as Record<string, unknown>;
  const parts = at.split("/").slice(1);
  // What stands for any entry was filled in as the last one, or the only one.
  const own = (value: Record<string, unknown>, part: string) =>
    Array.isArray(value) ? String(value.length - 1) : part;
  for (const part of parts.slice(0, -1)) parent = parent[own(parent, part)] as Record<string, unknown>;
  const last = own(parent, parts.at(-1)!);
  const list = parent[last] as object;
  const wrong = (i: number) => WRONG[i % WRONG.length];
  parent[last] = Array.isArray(list)
    ? list.map((_, i) => wrong(i))
    : Object.fromEntries(Object.keys(list).map((name, i) => [name, wrong(i)]));
  return spec;
}

describe("as many wrong entries as one likes", () => {
  for (const [at, fill] of Object.entries(FIELDS)) {
    test(at, () => expectProportional((n) => plan(withWrong(at, fill, n))), 60_000);
  }
});

describe("what is long", () => {
  const long = (n: number) => "x".repeat(n * 40);
  const spec = (change: (spec: Spec) => void) => {
    const made = baseSpec();
    change(made);
    return made;
  };
  const TEXTS: Readonly<Record<string, (spec: Spec, text: string) => void>> = {
    "a word of args": (made, text) => made.process.args.push(text),
    "a variable": (made, text) => made.process.env.push(`NAME=${text}`),
    "an annotation": (made, text) => {
      made.annotations = { "org.example": text };
    },
    "the name of an annotation": (made, text) => {
      made.annotations = { [text]: "" };
    },
    "a destination": (made, text) => made.mounts.push({ destination: `/${text}`, type: "tmpfs" }),
    "a path of many parts": (made, text) =>
      made.mounts.push({ destination: text.replaceAll("x", "/a"), type: "tmpfs" }),
    "a path of dots": (made, text) =>
      made.mounts.push({ destination: `/${text.replaceAll("x", "../")}`, type: "tmpfs" }),
    "an option": (made, text) => made.mounts.push({ destination: "/m", type: "tmpfs", options: [text] }),
    "options in one text": (made, text) => {
      made.mounts.push({ destination: "/m", type: "tmpfs", options: [text.replaceAll("x", "ro,rw,")] });
    },
    "a sysctl": (made, text) => {
      made.linux.sysctl = { "net.core.somaxconn": text };
    },
    "the name of a sysctl": (made, text) => {
      made.linux.sysctl = { [`net.${text.replaceAll("x", "a.")}b`]: "1" };
    },
    "a list of cpus": (made, text) => {
      made.process.execCPUAffinity = { initial: text.replaceAll("x", "0-7,") };
    },
    "a list of all cpus": (made, text) => {
      made.process.execCPUAffinity = { initial: text.slice(0, text.length / 8).replaceAll("x", "0-65535,") };
    },
    PATH: (made, text) => {
      made.process.args = ["true"];
      made.process.env = [`PATH=${text.replaceAll("x", "/a:")}`];
    },
    blanks: (made, text) => {
      made.hostname = text.replaceAll("x", " ");
    },
    "line breaks": (made, text) => {
      made.linux.cgroupsPath = text.replaceAll("x", " \n");
    },
    "control characters": (made, text) => {
      made.process.args.push(text.replaceAll("x", "\u0001p"));
    },
    "a capability": (made, text) => {
      made.process.capabilities = { bounding: [text] };
    },
    "a word of a list of words": (made, text) => {
      made.linux.namespaces.push({ type: text });
    },
    "a name that nobody knows": (made, text) => {
      made[text] = 1;
    },
    "a name in other letters": (made, text) => {
      made.linux.resources = { [`Cpu${text}`]: {}, CPU: {} };
    },
  };
  for (const [name, put] of Object.entries(TEXTS)) {
    test(name, () => expectProportional((n) => plan(spec((made) => put(made, long(n))))), 60_000);
  }
});

describe("what is deep, and what is no JSON", () => {
  const plain = JSON.stringify(baseSpec());
  const TEXTS: Readonly<Record<string, (n: number) => string>> = {
    "lists in lists": (n) => `${plain.slice(0, -1)},"x":${"[".repeat(n)}${"]".repeat(n)}}`,
    "objects in objects": (n) => `${plain.slice(0, -1)},"x":${'{"a":'.repeat(n)}null${"}".repeat(n)}}`,
    "objects in objects with NUL": (n) => `${plain.slice(0, -1)},"x":${'{"a":'.repeat(n)}"\\u0000"${"}".repeat(n)}}`,
    "lists without an end": (n) => "[".repeat(n),
    blanks: (n) => `${" \n\t".repeat(n * 10)}${plain}`,
    "an error at the end of a long line": (n) => `${plain.slice(0, -1)},"x":[${"1,".repeat(n * 10)}]}`,
    "an error at the end of many lines": (n) => `${plain.slice(0, -1)},"x":[${"1,\n".repeat(n * 10)}]}`,
    escapes: (n) => `${plain.slice(0, -1)},"x":"${"\\u0041\\n".repeat(n * 5)}"}`,
    "escapes beside a long number": (n) =>
      `${plain.slice(0, -1)},"y":1234567890123456789,"x":"${"\\u0041\\n".repeat(n * 5)}"}`,
    "a long number": (n) => `${plain.slice(0, -1)},"x":${"7".repeat(n * 100)}}`,
    "many long numbers": (n) => `${plain.slice(0, -1)},"x":[${"1234567890123456789,".repeat(n)}1]}`,
    "a string without an end": (n) => `${plain.slice(0, -1)},"x":"${"y".repeat(n * 100)}`,
  };
  for (const [name, make] of Object.entries(TEXTS)) {
    const outcome = (n: number) => {
      writeFileSync(path.join(directory, "config.json"), make(n));
      return run("plan", "--bundle", directory);
    };
    test(name, () => expectProportional(outcome), 60_000);
  }
});

describe("what is on the command line", () => {
  const WORDS: Readonly<Record<string, (text: string) => string[]>> = {
    "an unknown verb": (text) => [text],
    "an unknown flag": (text) => ["create", `--${text}`],
    "an unknown flag of one dash": (text) => ["create", `-${text}`],
    "joined letters": (text) => ["run", `-${text.replaceAll("x", "dt")}`, "id"],
    "a wrong value": (text) => ["state", "--rootless", text],
    "a wrong number": (text) => ["create", "--preserve-fds", text.replaceAll("x", "9"), "id"],
    "a wrong duration": (text) => ["events", "--interval", text.replaceAll("x", "1"), "id"],
    "a wrong number of cpus": (text) => ["spec", "--cpus", `${text.replaceAll("x", "1")}!`],
    "a wrong size": (text) => ["spec", "--memory", `${text.replaceAll("x", "1")}!`],
    blanks: (text) => [text.replaceAll("x", " ")],
    "blanks and line breaks": (text) => [`${text.replaceAll("x", " ")}\n${text.replaceAll("x", " ")}!`],
    "an id": (text) => ["state", text],
    "a signal": (text) => ["kill", "id", text],
    "a root": (text) => ["--root", `/${text}`, "list"],
    "a log": (text) => ["--log", `/${text}`, "list"],
  };
  for (const [name, make] of Object.entries(WORDS)) {
    // A word of the command line has 128 KB at most.
    test(name, () => expectProportional((n) => run(...make("x".repeat(n * 3)))), 60_000);
  }
  test(
    "as many words as there may be",
    () => expectProportional((n) => run("state", ...Array(n * 10).fill("x"))),
    60_000,
  );
  test("as many flags as there may be", () => {
    expectProportional((n) =>
      run("spec", "--bundle", "/nonexistent", ...Array.from({ length: n }, (_, i) => `--env=N${i}=1`)),
    );
  }, 60_000);
});
