import { expect, test } from "bun:test";
import { findFlag, flagsOf, globalSpec, verbNames, verbSpec } from "../../src/cli/table.ts";

test("every verb's entry parses into a summary and well-formed, distinct flags", () => {
  for (const spec of [...verbNames().map(verbSpec), globalSpec()]) {
    const flags = flagsOf(spec);
    expect(spec.summary).toMatch(/^[a-z]/);
    const names = flags.flatMap((flag) => [flag.name, ...(flag.short === undefined ? [] : [flag.short])]);
    expect(new Set(names).size).toBe(names.length);
    for (const flag of flags) {
      expect(flag.name).toMatch(/^[a-z][a-z0-9-]+$/);
      expect(flag.text.length).toBeGreaterThan(3);
      expect(flag.kind === "bool").toBe(flag.value === undefined);
      if (flag.short !== undefined) expect(flag.short).toMatch(/^[a-z]$/);
      expect(findFlag(spec, flag.name)).toEqual(flag);
      if (flag.short !== undefined) expect(findFlag(spec, flag.short)).toEqual(flag);
    }
  }
});

test("positional arguments are counted from the usage", () => {
  const counts = Object.fromEntries(verbNames().map((name) => [name, [verbSpec(name).min, verbSpec(name).max]]));
  const many = Number.POSITIVE_INFINITY;
  expect(counts).toMatchObject({
    create: [1, 1],
    kill: [1, 2],
    exec: [1, many],
    list: [0, 0],
    spec: [0, many],
    plan: [0, 1],
  });
});

test("kinds follow from the placeholders", () => {
  const kinds = Object.fromEntries(flagsOf(verbSpec("exec")).map((flag) => [flag.name, flag.kind]));
  expect(kinds).toMatchObject({ tty: "bool", env: "list", "preserve-fds": "int", user: "string", cgroup: "list" });
});

test("only whole names of flags are found", () => {
  const spec = verbSpec("exec");
  for (const name of ["", "x", "consol", "ocess", "ID", "socket", "env NAME=VALUE…", "-env"]) {
    expect(findFlag(spec, name)).toBeUndefined();
  }
});
