/** The program that starts and measures commands. Needs a C compiler. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { decodeAnswer, encodeRequest, Launcher } from "../../bench/launcher.ts";

const CHECKOUT = path.resolve(import.meta.dir, "../..");
let directory = "";
let launcher: Launcher;

beforeAll(() => {
  execFileSync("node", ["bench/build.mjs"], { cwd: CHECKOUT, stdio: "inherit" });
  directory = mkdtempSync(path.join(tmpdir(), "bench-launcher-"));
  launcher = new Launcher(path.join(CHECKOUT, "dist/bench/launcher"), path.join(directory, "log"));
}, 60_000);

afterAll(() => {
  launcher.close();
  rmSync(directory, { recursive: true, force: true });
});

const sh = (script: string) => ["sh", "-c", script];

test("a request is its length and words that end in NUL", () => {
  const bytes = encodeRequest([{ run: [["a", "b"], ["c"]] }, { waitFor: "/pid" }], 5);
  expect(bytes.readUInt32LE()).toBe(bytes.length - 4);
  expect(bytes.subarray(4).toString()).toBe("5\0run\0" + "2\0" + "2\0a\0b\0" + "1\0c\0wait\0/pid\0");
});

test("an answer has times and, of each command, status and peak", () => {
  expect(decodeAnswer("30;10 0:5 1:6;20 0:0")).toEqual({
    ns: 30,
    steps: [
      {
        ns: 10,
        commands: [
          { status: 0, maxRssKib: 5 },
          { status: 1, maxRssKib: 6 },
        ],
      },
      { ns: 20, commands: [{ status: 0, maxRssKib: 0 }] },
    ],
  });
});

test("a command's time, status, peak and output come back", async () => {
  const { ns, steps, output } = await launcher.perform([{ run: [sh("sleep 0.2; echo out; echo err >&2")] }]);
  expect(output).toBe("out\nerr\n");
  expect(steps).toEqual([{ ns, commands: [{ status: 0, maxRssKib: expect.any(Number) }] }]);
  expect(ns).toBeGreaterThan(200e6);
  expect(steps[0]?.commands[0]?.maxRssKib).toBeGreaterThan(500);
});

test("the peak is the command's own, not the launcher's or an earlier command's", async () => {
  const [big, small] = (await launcher.perform([{ run: [["node", "-e", "0"]] }, { run: [["true"]] }])).steps;
  expect(big?.commands[0]?.maxRssKib).toBeGreaterThan(20_000);
  expect(small?.commands[0]?.maxRssKib).toBeLessThan(10_000);
});

test("commands of a step run at once, steps one after the other", async () => {
  const [first, second] = ["first", "second"].map((name) => path.join(directory, name));
  // Each of the two waits for the other's file.
  const meet = (own: string, other: string) => sh(`: > ${own}; until [ -e ${other} ]; do sleep 0.01; done`);
  const steps = [{ run: [meet(first!, second!), meet(second!, first!)] }, { run: [sh(`[ -e ${first} ]`)] }];
  const answer = await launcher.perform(steps);
  expect(answer.steps.flatMap(({ commands }) => commands.map(({ status }) => status))).toEqual([0, 0, 0]);
});

test("a step that fails is the last", async () => {
  const file = path.join(directory, "late");
  const answer = await launcher.perform([{ run: [sh("exit 3")] }, { run: [["touch", file]] }]);
  expect(answer.steps.map(({ commands }) => commands[0]?.status)).toEqual([3]);
  expect(existsSync(file)).toBe(false);
  expect((await launcher.perform([{ run: [["/nothing"]] }])).steps[0]?.commands[0]?.status).toBe(127);
});

test("what takes too long is killed", async () => {
  const { ns, steps } = await launcher.perform([{ run: [["sleep", "60"]] }], 200);
  expect(steps[0]?.commands[0]?.status).toBe(128 + 9);
  expect(ns).toBeLessThan(10e9);
});

test("orphans are waited for by their pid, up to the time limit", async () => {
  const file = path.join(directory, "pid");
  const orphan = (seconds: string) => ({ run: [sh(`sleep ${seconds} & echo $! > ${file}`)] });
  const [start, wait] = (await launcher.perform([orphan("0.3"), { waitFor: file }])).steps;
  expect(wait?.commands[0]?.status).toBe(0);
  expect((wait?.ns ?? 0) + (start?.ns ?? 0)).toBeGreaterThan(290e6);
  const late = await launcher.perform([orphan("3"), { waitFor: file }], 200);
  expect(late.steps[1]?.commands[0]?.status).toBe(1);
});
