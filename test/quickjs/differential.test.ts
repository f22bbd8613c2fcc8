/** The engine's modules for node:fs, node:path … against a host that has Node's: the same calls, the same results. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, makeProgram, ROOT } from "./make.ts";

const FIXTURES = join(import.meta.dir, "fixtures");
/** What Node cannot make: a FIFO, and names that are no text. */
const MAKE_FILES = `umask 022; echo content > file; mkdir dir kept bytes; touch dir/entry kept/file ü
ln -s file link-file; ln -s dir link-dir; ln -s absent link-absent; ln -s loop loop; ln -s ../../kept link-tree
ln -s kept link-kept; mkfifo fifo; touch "$(printf 'bytes/a\\377b')" "$(printf 'bytes/\\303\\250')" "$(printf 'bytes/\\355\\240\\200')"
echo x > unreadable; chmod 0 unreadable`;
const ENVIRONMENT = {
  PATH: "/usr/bin:/bin",
  EMPTY: "",
  constructor: "1",
  __proto__x: "2",
  WITH: "a=b",
  "3": "x",
  Ü: "ü",
};

let dir = "";
let engine = "";

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tsrunc-differential-"));
  bun("build", "--target", "node", "--outfile", join(dir, "host.mjs"), join(FIXTURES, "host.ts"));
  engine = makeProgram(dir, "engine", join(FIXTURES, "engine.ts"));
}, 180_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Results = Readonly<Record<string, unknown>>;

/** The results of a suite by a program, in a directory of the same name. */
function results(name: string, suite: string, program: readonly string[]): Results {
  const place = join(dir, name, suite);
  mkdirSync(place, { recursive: true });
  execFileSync("sh", ["-c", MAKE_FILES], { cwd: place });
  // Each sees the same path of the current directory.
  const script = `mount --bind "$0" /mnt && cd /mnt && umask 027 && exec "$@" ${suite} "$0.json" '' ü "a b"`;
  execFileSync("unshare", ["-m", "sh", "-c", script, place, ...program], { env: ENVIRONMENT });
  return JSON.parse(readFileSync(`${place}.json`, "utf8")) as Results;
}

/** Where the call that failed is one of several that Node makes, it is another one here. */
const OTHER_CALLS = /^(realpath|rm|readFile|chdir|mkdtemp)\b/;
/** What the kernel says, and Node does not: it has resolved `..` and removed slashes by itself, or looked at the wrong end. */
const KERNELS_WORD: Readonly<Record<string, string>> = {
  'realpath 3 "file/"': "ENOTDIR",
  'realpath 5 "file/.."': "ENOTDIR",
  'realpath 15 ""': "ENOENT",
  'realpath 22 "y/y/y/y/y/y/y/y/y/y/"': "ENAMETOOLONG",
  "mkdir recursive over dead link": "EEXIST",
  "rm in procfs": "EPERM",
  "rm tree in procfs": "EPERM",
  "rm directory": "EISDIR",
  "rm directory force": "EISDIR",
};

function codeOf(result: unknown): string | undefined {
  return (result as { readonly error?: { readonly code: string } }).error?.code;
}

function alike(name: string, own: unknown, other: unknown): boolean {
  if (name in KERNELS_WORD) return codeOf(own) === KERNELS_WORD[name];
  if (OTHER_CALLS.test(name) && codeOf(own) !== undefined) return codeOf(own) === codeOf(other);
  return Bun.deepEquals(own, other);
}

function compare(suite: string, host: readonly string[]): void {
  const [own, other] = [results("own", suite, [engine]), results("other", suite, host)];
  expect(Object.keys(own)).toEqual(Object.keys(other));
  const differ = Object.keys(other).filter((name) => !alike(name, own[name], other[name]));
  expect(differ.map((name) => ({ name, own: own[name], other: other[name] }))).toEqual([]);
}

test.each(["files", "values"])("%s", (suite) => compare(suite, ["node", join(dir, "host.mjs")]), 60_000);

test("processes that make temporary directories at the same time get each their own", async () => {
  const place = join(dir, "temporary");
  mkdirSync(place);
  const running = Array.from({ length: 20 }, () =>
    spawn(engine, ["temporary", join(place, "t.")], { stdio: "ignore" }),
  );
  const statuses = await Promise.all(running.map((child) => new Promise((resolve) => child.on("exit", resolve))));
  expect(statuses).toEqual(running.map(() => 0));
  expect(readdirSync(place)).toHaveLength(20 * 50);
}, 60_000);

test("all that is exported is called", () => {
  for (const module of ["fs", "path", "os", "process", "child_process"]) {
    const source = readFileSync(join(ROOT, `src/sys/quickjs/${module}.ts`), "utf8");
    const names = [...source.matchAll(/^export (?:function|class) (\w+)/gm)].map((match) => match[1] ?? "");
    const calls = ["files", "values"].map((suite) => readFileSync(join(FIXTURES, `${suite}.ts`), "utf8")).join("");
    const uncalled = names.filter((name) => !new RegExp(`\\b(?:${module}\\.)?${name}\\b`).test(calls));
    expect(uncalled.filter((name) => !["Dirent", "readLink", "setType", "forget"].includes(name))).toEqual([]);
  }
});
