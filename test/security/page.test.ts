/** SECURITY.md names tests: an entry that names none, or one that is not there, promises nothing. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

interface Entry {
  readonly subject: string;
  /** `FILE`: WORDS, WORDS; `FILE` … */
  readonly tests: readonly { readonly file: string; readonly names: readonly string[] }[];
}

function entries(): Entry[] {
  const sections = readFileSync(join(ROOT, "SECURITY.md"), "utf8").split(/^## /m);
  const text = sections.find((section) => section.startsWith("Classes of attack")) ?? "";
  return text
    .split(/^- /m)
    .slice(1)
    .map((entry) => {
      const words = entry.replaceAll(/\s+/g, " ").trim();
      const named = words.includes(" Test: ") ? (words.split(" Test: ").at(-1) ?? "").split("; ") : [];
      const tests = named.map((part) => {
        const [, file = "", names = ""] = part.match(/^`([^`]+)`(?:: (.*))?$/) ?? [];
        return { file, names: names === "" ? [] : names.split(", ") };
      });
      return { subject: words.match(/\*\*(.*?)\*\*/)?.[1] ?? words, tests };
    });
}

test("there are entries", () => expect(entries().length).toBeGreaterThan(15));

for (const { subject, tests } of entries())
  test(`SECURITY.md: ${subject}`, () => {
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, names } of tests) {
      expect({ file, exists: file !== "" && existsSync(join(ROOT, file)) }).toEqual({ file, exists: true });
      const text = readFileSync(join(ROOT, file), "utf8");
      for (const name of names) expect({ file, name, found: text.includes(name) }).toEqual({ file, name, found: true });
    }
  });
