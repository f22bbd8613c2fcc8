/** The heap is a picture of memory: what the build's process knew of its machine must not be in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { hostname, release, tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { inNode, ROOT } from "./make.ts";

let dir = "";
let made: readonly Buffer[] = [];

function build(name: string): Buffer {
  const parts = { folder: join(dir, name), out: join(dir, `${name}.out`), init: join(ROOT, "dist/native/tsrunc-init") };
  const script = join(dir, `${name}.js`);
  const environment = `process.env.BUILT_AS = "as-${name}-was-built".repeat(${name.length});`;
  inNode(`${environment} await bundleForQuickjs("${script}");
    console.log(await buildExecutable({ toolchain: toolchainFor(), script: "${script}", ...${JSON.stringify(parts)} }));`);
  return readFileSync(join(parts.folder, `${name}.out.heap`));
}

/** Two heaps of the command line, each built in an environment of its own. */
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tsrunc-heap-"));
  made = [build("one"), build("another")];
}, 180_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What identifies this machine, this user and this build. Short words, as `root` and `linux`, occur by themselves. */
function facts(): string[] {
  const cgroups = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .map((line) => line.split(":")[2] ?? "");
  const environment = Object.values(process.env).flatMap((value) => [value ?? "", ...(value ?? "").split(":")]);
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const paths = [
    ROOT,
    dirname(ROOT),
    dir,
    tmpdir(),
    process.execPath,
    readlinkSync("/proc/self/cwd"),
    userInfo().homedir,
  ];
  const words = [...cgroups, ...environment, ...paths, hostname(), release(), boot, "tsrunc-build-", "was-built"];
  return [...new Set(words)].filter((word) => word.length >= 6);
}

/** Whether the heap has the text, as QuickJS stores ASCII. Names that the command line has itself are none of the build's. */
function isIn(heap: Buffer, script: string, word: string): boolean {
  return !script.includes(word) && heap.includes(word, 0, "latin1");
}

test("nothing of the build's machine is in the heap", () => {
  const script = readFileSync(join(dir, "one.js"), "latin1");
  for (const heap of made) expect(facts().filter((fact) => isIn(heap, script, fact))).toEqual([]);
  expect(isIn(made[0] ?? Buffer.alloc(0), "", "warm-up")).toBe(true);
});

test("the same source gives the same heap and the same executable", () => {
  const [one, another] = made;
  expect(one?.length).toBe(another?.length ?? -1);
  expect(one?.equals(another ?? Buffer.alloc(0))).toBe(true);
  const [built, again] = ["one", "another"].map((name) => readFileSync(join(dir, `${name}.out`)));
  expect(built?.equals(again ?? Buffer.alloc(0))).toBe(true);
});

test("no segment of the executable can be written and executed, and the stack and the heap not executed", () => {
  const headers = execFileSync("readelf", ["-lW", join(ROOT, "dist/tsrunc")], { encoding: "utf8" });
  const lines = headers.split("\n").filter((line) => /^\s+(LOAD|GNU_STACK)\s/.test(line));
  expect(lines.length).toBeGreaterThan(4);
  expect(
    lines.filter(
      (line) => /W\s?E|E\s?W/.test(line) || (/GNU_STACK|0x0*20000000 /.test(line) && /\sR?W?E\s/.test(line)),
    ),
  ).toEqual([]);
});
