import { expect, test } from "bun:test";
import { clausesOf, isNewer, levelOf, names, readClauses } from "../../conformance/runner/clauses.ts";

const clauses = readClauses();

test("every clause has an id of its own, and either cases or the reason why none can be", () => {
  expect(new Set(clauses.map(({ id }) => id)).size).toBe(clauses.length);
  const wrong = clauses.filter(({ cases = [], unobservable }) => cases.length > 0 && unobservable !== undefined);
  const blank = clauses.filter(({ cases = [], unobservable }) => cases.length === 0 && unobservable === undefined);
  expect({ wrong, blank }).toEqual({ wrong: [], blank: [] });
});

test("clauses are told by key words, not by sentences of the specification", () => {
  expect(clauses.filter(({ words }) => words.length > 90 || words.endsWith("."))).toEqual([]);
});

test("a pattern names a case, or all that begin as it does", () => {
  expect(names("a/b", "a/b")).toBe(true);
  expect(names("a/b", "a/bc")).toBe(false);
  expect(names("a/b*", "a/bc")).toBe(true);
});

test("a case has the level of its strictest clause, and is beyond the specification without one", () => {
  const clause = (level: "MUST NOT" | "SHOULD" | "MAY") => ({ id: "x", doc: "d", section: "s", level, words: "w" });
  expect(levelOf([clause("MAY"), clause("MUST NOT")])).toBe("must");
  expect(levelOf([clause("MAY"), clause("SHOULD")])).toBe("should");
  expect(levelOf([])).toBe("beyond");
});

test("a case is left out for an older specification only if all of its clauses are newer", () => {
  const devices = clausesOf(clauses, "net-devices/a name with %d is made unique by the kernel");
  expect(devices.length).toBeGreaterThan(0);
  expect(isNewer(devices, "1.2")).toBe(true);
  expect(isNewer(devices, "1.3")).toBe(false);
  expect(isNewer([], "1.0")).toBe(false);
});
