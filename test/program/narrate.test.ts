import { expect, test } from "bun:test";
import { programLines, programNotes } from "../../src/program/narrate.ts";
import { PID } from "../../src/program/ops.ts";
import type { Program } from "../../src/program/program.ts";
import { programs } from "./programs.ts";

function program(name: string): Program {
  const found = programs().get(name);
  if (found === undefined) throw new Error(name);
  return found;
}

function notes(name: string): string[] {
  const { launcher, init, cleanup } = programNotes(program(name));
  return [launcher, init, cleanup].flatMap((list) => Object.values(list ?? {}));
}

test("one line each for namespaces, limits, hooks, the program and so on", () => {
  const lines = programLines(program("hooks"));
  const subjects = lines.map((line) => line.slice(0, line.search(/[: ]/)));
  expect(new Set(subjects).size).toBe(subjects.length);
  for (const subject of ["namespaces", "hooks", "program", "executing"]) expect(subjects).toContain(subject);
  expect(programLines(program("default-v1")).find((line) => line.startsWith("mounts: "))).toContain("proc on /proc, ");
  expect(lines.every((line) => line.length <= 1001)).toBe(true);
});

test("namespaces are told by whether they are made or joined, mappings by who writes them", () => {
  expect(programLines(program("user-namespace")).join("\n")).toMatch(
    /namespaces: new .*user.*\nuser namespace: `0 \d+ \d+.*` (written to uid_map|given to \S+newuidmap);/,
  );
  expect(programLines(program("joined-namespaces"))[0]).toMatch(/^namespaces: .*joined .* of `\/.*`/);
  expect(programLines(program("exec"))[0]).toMatch(/^namespaces: joined .* of the container/);
});

test("notes say what ops come to: pids, states, signals, what is removed", () => {
  expect(notes("default-v2")).toContain("state: created");
  expect(notes("default-v2")).toContain(`first process: pid ${PID}`);
  expect(notes("exec")).toContain(`the program was executed: pid ${PID}`);
  expect(notes("exec").join()).not.toContain("state:");
  expect(notes("removal").filter((note) => note.endsWith("are removed"))).toHaveLength(1);
  expect(notes("hooks").some((note) => /^createRuntime hook #0: .*: exit status 0$/.test(note))).toBe(true);
});
