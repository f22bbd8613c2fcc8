import { expect, test } from "bun:test";
import { formatError } from "../../src/errors.ts";
import { parseJson } from "../../src/spec/json.ts";
import { parseSpec } from "../../src/spec/load.ts";

const BROKEN: readonly (readonly [text: string, message: string])[] = [
  ["", "line 1, column 1: expected a value, found the end of the file"],
  ["{", "line 1, column 2: expected a name in double quotes, found the end of the file"],
  ['{"a":1,\n  "b" x}', "line 2, column 7: expected `:`, found `x`"],
  ['{\n"a": 1\n"b": 2}', 'line 3, column 1: expected `,` or `}`, found `"`'],
  ["[1 2]", "line 1, column 4: expected `,` or `]`, found `2`"],
  ['{"ü": 1, x}', "line 1, column 10: expected a name in double quotes, found `x`"],
  ['{"a":1,}', "line 1, column 8: expected a name in double quotes, found `}`"],
  ["[1,]", "line 1, column 4: expected a value, found `]`"],
  ["\ufeff{}", "line 1, column 1: expected a value, found a byte order mark (save the file as UTF-8 without one)"],
  ["[True]", "line 1, column 2: expected a value, found `True`"],
  ["[nul]", "line 1, column 2: expected a value, found `nul`"],
  ["[01]", "line 1, column 3: a number may not go on like this"],
  ["[1.]", "line 1, column 3: a number may not go on like this"],
  ["[-]", "line 1, column 3: expected a digit, found `]`"],
  ["{'a':1}", "line 1, column 2: expected a name in double quotes, found `'`"],
  ['["a', 'line 1, column 2: string without its closing `"`'],
  ['["a\nb"]', "line 1, column 4: line break inside a string (write `\\n`)"],
  ['["a\tb"]', "line 1, column 4: expected no control character inside a string, found U+0009"],
  ['["\\q"]', "line 1, column 3: unknown escape `\\q` inside a string"],
  ['["\\u12"]', "line 1, column 3: unknown escape `\\u` inside a string"],
  ["{} // x", "line 1, column 4: expected the end of the file, found `/`"],
  ["{}\n\n{}", "line 3, column 1: expected the end of the file, found `{`"],
  ["[".repeat(600), "line 1, column 514: more than 512 levels of `{` and `[`"],
];

for (const [text, message] of BROKEN) {
  test(`${JSON.stringify(text.slice(0, 20))}: ${message}`, () => {
    let found = "";
    try {
      parseJson(text, "config.json");
    } catch (error) {
      found = formatError(error);
    }
    expect(found).toBe(`\`config.json\` is not valid json: ${message}`);
  });
}

test("integers keep all of their digits, the others stay numbers", () => {
  const text = '[18446744073709551615, -9223372036854775808, 9007199254740991, 9007199254740993, 5, 1e20, 0.5, "x"]';
  expect(parseJson(text, "x")).toEqual([
    18446744073709551615n,
    -9223372036854775808n,
    9007199254740991,
    9007199254740993n,
    5,
    1e20,
    0.5,
    "x",
  ]);
});

test("the scanner and JSON.parse agree on everything else", () => {
  const document = {
    empty: [{}, [], ""],
    text: 'a "quote", a \\, a / and \u0000\u001f\n\t ü 𝄞 \ud800',
    numbers: [0, -0, 1.25, -1e-7, 1e300],
    words: [true, false, null],
    constructor: { toString: 1 },
  };
  for (const space of [undefined, 2, "\t"]) {
    const text = JSON.stringify(document, null, space);
    // A long number at the end makes the scanner read all of it.
    const [scanned, big] = parseJson(`[${text}, 1234567890123456789]`, "x") as [unknown, unknown];
    expect(big).toBe(1234567890123456789n);
    expect(scanned).toEqual(JSON.parse(text));
  }
});

test("a field named __proto__ is only a field", () => {
  const value = parseJson('{"__proto__": {"polluted": 12345678901234567890}}', "x") as Record<string, unknown>;
  expect(Object.keys(value)).toEqual(["__proto__"]);
  expect(value.polluted).toBeUndefined();
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

test("the scanner goes over long texts, numbers and blanks in pieces", () => {
  const long = "ü𝄞\\n".repeat(5000);
  const value = { text: long, plain: "x".repeat(20_000), fraction: 0.25, list: [1, 2] };
  const blanks = " \n\t".repeat(5000);
  const text = `${blanks}[${JSON.stringify(value)}${blanks},${blanks}1234567890123456789${blanks}]${blanks}`;
  expect(parseJson(text, "x")).toEqual([value, 1234567890123456789n]);
  const digits = "7".repeat(20_000);
  expect(parseJson(`[${digits}, 0.${digits}]`, "x")).toEqual([BigInt(digits.slice(0, 61)), Number.NaN]);
  expect(() => parseJson(`["${long}" ${digits}]`, "x")).toThrow(
    `line 1, column ${[...long].length + 5}: expected \`,\` or \`]\`, found`,
  );
});

test("what JSON.parse takes is no deeper than what the scanner takes, where we walk through it", () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}null${"}".repeat(levels)}`;
  const spec = (levels: number) => `{"ociVersion":"1.0.2","root":{"path":"x"},"unknown":${deep(levels)}}`;
  expect(parseSpec(spec(500), "x").spec.ociVersion).toBe("1.0.2");
  for (const levels of [520, 3000]) {
    expect(() => parseSpec(spec(levels), "x")).toThrow("`x` has more than 512 levels of `{` and `[`");
  }
});
