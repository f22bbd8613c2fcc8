import { expect, test } from "bun:test";
import type { Call } from "../../src/cli/call.ts";
import { parseDuration } from "../../src/cli/duration.ts";
import * as options from "../../src/cli/options.ts";
import { parseCommandLine } from "../../src/cli/parse.ts";

function call(line: string): Call {
  const { flags, args } = parseCommandLine(line.split(" "));
  return { context: {} as Call["context"], flags, args };
}

test("create: absent flags are absent, not undefined", () => {
  expect(options.createOptions(call("create x"))).toStrictEqual({
    id: "x",
    bundle: ".",
    noPivot: false,
    noNewKeyring: false,
    preserveFds: 0,
  });
});

test("run: all flags", () => {
  const line =
    "run -b B --console-socket S --pidfd-socket T --pid-file P --no-pivot --no-new-keyring --preserve-fds 3 -d --keep -no-subreaper x";
  expect(options.runOptions(call(line))).toStrictEqual({
    id: "x",
    bundle: "B",
    consoleSocket: "S",
    pidfdSocket: "T",
    pidFile: "P",
    noPivot: true,
    noNewKeyring: true,
    preserveFds: 3,
    detach: true,
    keep: true,
    noSubreaper: true,
  });
});

test("kill: TERM by default", () => {
  expect(options.killOptions(call("kill x"))).toStrictEqual({ id: "x", signal: "TERM", all: false });
  expect(options.killOptions(call("kill -a x 9"))).toStrictEqual({ id: "x", signal: "9", all: true });
});

test("exec: flags, and a command or a process file", () => {
  const made = options.execOptions(call("exec -t -e A=1 -g 5 -g 6 --cap CAP_KILL --cwd / -u 1:2 x ls -l"));
  expect(made).toMatchObject({
    id: "x",
    args: ["ls", "-l"],
    tty: true,
    env: ["A=1"],
    additionalGids: [5, 6],
    user: "1:2",
  });
  expect(options.execOptions(call("exec -p F x")).args).toEqual([]);
  expect(() => options.execOptions(call("exec x"))).toThrow("`exec`: missing argument CMD");
  expect(() => options.execOptions(call("exec -g 4294967295 x ls"))).toThrow("a group id below 4294967295");
  expect(() => options.execOptions(call("exec -g 1x x ls"))).toThrow("found `1x`");
  expect(options.execOptions(call("exec --user= x ls")).user).toBe("");
});

test("numbers are whole and not negative where that makes no sense", () => {
  expect(() => options.createOptions(call("create --preserve-fds 1.5 x"))).toThrow("expected an integer, found `1.5`");
  expect(() => options.createOptions(call("create --preserve-fds -1 x"))).toThrow("expected a number of descriptors");
});

test("events: interval is a Go duration above zero", () => {
  expect(options.eventsOptions(call("events --interval 1m1.5s x")).intervalMs).toBe(61_500);
  expect(options.eventsOptions(call("events x")).intervalMs).toBe(5000);
  for (const bad of ["5", "0s", "-1s", "s", "1d"]) {
    expect(() => options.eventsOptions(call(`events --interval ${bad} x`))).toThrow("flag `--interval`");
  }
});

test("update: numbers are passed on as written", () => {
  expect(options.updateOptions(call("update --memory 64M --cpu-quota -1 x"))).toStrictEqual({
    id: "x",
    memory: "64M",
    cpuQuota: "-1",
  });
});

test("ps and checkpoint: words of a list", () => {
  expect(options.psOptions(call("ps -f json x -ef"))).toStrictEqual({ id: "x", format: "json", args: ["-ef"] });
  expect(() => options.psOptions(call("ps -f yaml x"))).toThrow("expected table or json, found `yaml`");
  expect(() => options.checkpointOptions(call("checkpoint --manage-cgroups-mode hard x"))).toThrow("soft or full");
});

test("durations", () => {
  const cases = { "1h": 3.6e6, "100ms": 100, "2us": 0.002, "1.5s": 1500, ".5s": 500, "0": 0, "-3s": -3000 };
  for (const [text, milliseconds] of Object.entries(cases)) expect(parseDuration(text)).toBeCloseTo(milliseconds);
});
