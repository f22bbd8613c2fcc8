/** Numbers as they may be written, in every field that takes one. */
import { describe, expect, test } from "bun:test";
import { TsruncError } from "../../src/errors.ts";
import { loadProcess, loadResources, parseSpec } from "../../src/spec/load.ts";
import { documentWith, placesOf, schemaOf } from "../fuzz/schema.ts";

const DOCUMENTS: readonly (readonly [file: string, load: (text: string) => unknown])[] = [
  ["config.schema.json", (text) => parseSpec(text, "config.json")],
  ["process.schema.json", (text) => loadProcess(text, "process.json")],
  ["resources.schema.json", (text) => loadResources(text, "resources.json")],
];

/** Limits beyond 2^53, as the schemas mean them. */
const WIDE: Readonly<Record<string, bigint>> = {
  "9223372036854776000": 2n ** 63n - 1n,
  "-9223372036854776000": -(2n ** 63n),
  "18446744073709552000": 2n ** 64n - 1n,
};

function limit(value: number): bigint {
  return WIDE[String(value)] ?? BigInt(value);
}

/** What is said of the place, if it is wrong. */
function complaint(load: (text: string) => unknown, text: string, at: string): string | undefined {
  try {
    load(text);
  } catch (error) {
    if (!(error instanceof TsruncError)) throw error;
    return error.problems.find((problem) => problem.at === at)?.message;
  }
  return undefined;
}

const expected = (min: bigint, max: bigint) => `expected an integer from ${min} to ${max}, found`;

for (const [file, load] of DOCUMENTS) {
  const root = schemaOf(file);
  describe(file, () => {
    const integers = placesOf(root).filter(({ node }) => node.schema.type === "integer");
    test("has integers", () => expect(integers.length).toBeGreaterThan(10));
    for (const { at, node } of integers) {
      test(`${at}: its limits are exact, and no other spelling is taken for a number`, () => {
        const [min, max] = [limit(node.schema.minimum!), limit(node.schema.maximum!)];
        const said = (literal: string) => complaint(load, documentWith(root, at, literal), at);
        const wrong = expected(min, max);
        for (const right of [min, max]) expect(said(`${right}`) ?? "").not.toStartWith(wrong);
        for (const literal of [`${min - 1n}`, `${max + 1n}`]) expect(said(literal)).toBe(`${wrong} \`${literal}\``);
        for (const literal of ["0.5", "-0.25", "1e400", "-1e400", "1e-9"]) expect(said(literal)).toStartWith(wrong);
        for (const literal of ['"1"', "true", "[1]", "{}"]) {
          expect(said(literal)).toMatch(/expected an integer, found/);
        }
      });
    }
  });
}

test("a literal of any length costs its length, and is shown by its beginning", () => {
  const spec = schemaOf("config.schema.json");
  for (const sign of ["", "-"]) {
    for (const digits of [21, 60, 61, 400, 100_000, 8_000_000]) {
      const literal = `${sign}${"1234567890".repeat(digits / 10 + 1).slice(0, digits)}`;
      const text = documentWith(spec, "/process/rlimits/0/hard", literal);
      const start = performance.now();
      const message = complaint((it) => parseSpec(it, "config.json"), text, "/process/rlimits/0/hard");
      const shown = literal.length > 60 ? `${literal.slice(0, 57)}…` : literal;
      expect(message).toBe(`expected an integer from 0 to 18446744073709551615, found \`${shown}\``);
      // A number made of so many digits would take minutes.
      expect(performance.now() - start).toBeLessThan(5000);
    }
  }
});

test("a fraction or an exponent without end is no integer", () => {
  const nines = "9".repeat(5000);
  for (const literal of [`0.${nines}`, `${nines}.5`, `1e${nines}`, `${nines}e-5000`, `1e-${nines}`]) {
    const text = documentWith(schemaOf("config.schema.json"), "/process/user/uid", `-${literal}`);
    expect(complaint((it) => parseSpec(it, "config.json"), text, "/process/user/uid")).toStartWith(
      "expected an integer from 0 to 4294967294, found ",
    );
  }
});

test("a whole number may be written with a fraction or an exponent, as far as it is exact", () => {
  const limitOf = (literal: string) => loadResources(`{"memory":{"limit":${literal}}}`, "x").resources.memory?.limit;
  expect(["1e3", "1E+3", "10.0", "2.5e1", "-0", "0e5"].map((text) => Number(limitOf(text)) + 0)).toEqual([
    1000, 1000, 10, 25, 0, 0,
  ]);
  const at = "/process/rlimits/0/hard";
  const text = documentWith(schemaOf("config.schema.json"), at, "1e18");
  expect(complaint((it) => parseSpec(it, "x"), text, at)).toBe(
    "expected an integer with all of its digits, found `1000000000000000000`",
  );
});
