/** What is read from texts: the command line, and what tsrunc and strace print. */
import { expect, test } from "bun:test";
import { parseOptions } from "../../bench/options.ts";
import { medianProfile, parseTimings } from "../../bench/profile.ts";
import { parseTotal } from "../../bench/series/system-calls.ts";

test("the usual run is long, the quick one short, and the number of rounds can be given", () => {
  expect(parseOptions([])).toMatchObject({ count: 200, quick: false, only: [], profile: false });
  expect(parseOptions(["--quick"]).count).toBe(15);
  expect(parseOptions(["--quick", "--count", "3"]).count).toBe(3);
});

test("runtimes are named, and may be several words", () => {
  const { runtimes } = parseOptions(["--runtime", "runc=/opt/runc", "--runtime", "node=node dist/cli.js --debug=x"]);
  expect([...runtimes]).toEqual([
    ["runc", "/opt/runc"],
    ["node", "node dist/cli.js --debug=x"],
  ]);
});

test("what makes no sense is refused", () => {
  expect(() => parseOptions(["--only", "run,walk"])).toThrow("no series `walk`");
  expect(() => parseOptions(["--count", "0"])).toThrow("not a number of rounds");
  expect(() => parseOptions(["--count", "many"])).toThrow("not a number of rounds");
  expect(() => parseOptions(["--runtime", "/usr/bin/crun"])).toThrow("not NAME=PATH");
  expect(() => parseOptions(["--runtime", "../x=crun"])).toThrow("not NAME=PATH");
  expect(() => parseOptions(["--fast"])).toThrow();
});

const TIMINGS = `   at µs      µs  by                                                 what
       0   10331  tsrunc   ███████                                   start of the engine
   17096    3913  tsrunc              ██████                         exec of tsrunc-init
   21025      65  launcher                  █                        mkdir cgroup
   21090      38  launcher                  █                        mkdir cgroup
   22761    2339  launcher                  ···                      await
   23257      59  init                        █                      mount mounts[0] (/proc)
`;

test("of --timings, ops of one kind are added up, phases are not", () => {
  expect([...parseTimings(TIMINGS)]).toEqual([
    ["tsrunc: start of the engine", 10_331],
    ["tsrunc: exec of tsrunc-init", 3913],
    ["launcher: mkdir", 103],
    ["launcher: await", 2339],
    ["init: mount", 59],
  ]);
});

test("medians of profiles, the greatest first", () => {
  const profiles = [{ a: 1, b: 10 }, { a: 3, b: 30 }, { a: 2 }].map((profile) => new Map(Object.entries(profile)));
  expect(medianProfile(profiles)).toEqual([
    ["b", 10],
    ["a", 2],
  ]);
});

test("the total of strace is found with and without errors", () => {
  const head = "% time     seconds  usecs/call     calls    errors syscall\n------\n 60.00 0.1 8 400 3 mmap\n";
  expect(parseTotal(`${head}100.00    0.012345           8      1432        67 total\n`)).toBe(1432);
  expect(parseTotal(`${head}100.00    0.012345           8       982           total\n`)).toBe(982);
  expect(() => parseTotal(head)).toThrow("no total");
});
