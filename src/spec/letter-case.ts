/**
 * Names that differ from known ones in the case of letters only. The specification has us ignore fields that we do not
 * know; programs in Go, runc among them, take `pagesize` for `pageSize`, so such a config.json works there.
 */
import type { Problem } from "../errors.ts";
import { configNames, type Names } from "../generated/validate.js";
import { mayHaveOtherCase } from "../sys/names.ts";
import { pointer } from "./pointer.ts";

export interface Misspelling {
  /** JSON pointer of the field that is there. */
  readonly at: string;
  /** JSON pointer of the field that was meant. */
  readonly meant: string;
  /** For the user: both names. */
  readonly hint: string;
}

/** All of them in a document, in its order; names that resemble no known one are not looked at. `text`: what it was read from. */
export function misspellings(document: unknown, text: string, names: Names): readonly Misspelling[] {
  const found: Misspelling[] = [];
  if (mayHaveOtherCase(text, allNames)) visit(document, names, [], found);
  return found;
}

let all: string | undefined;

/** Those of config.json, which has the others as parts. */
function allNames(): string {
  all ??= [...new Set(namesIn(configNames))].join(" ");
  return all;
}

function namesIn(names: Names): string[] {
  return Object.entries(names).flatMap(([name, below]) => (below === 0 ? name : [name, ...namesIn(below)]));
}

function visit(value: unknown, names: Names, path: readonly (string | number)[], found: Misspelling[]): void {
  if (value === null || typeof value !== "object") return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      visit(item, names, [...path, index], found);
    });
    return;
  }
  for (const [name, field] of Object.entries(value)) {
    const known = names["*"] ?? names[name];
    if (known === undefined) compare(names, [...path, name], found);
    else if (known !== 0) visit(field, known, [...path, name], found);
  }
}

function compare(names: Names, path: readonly (string | number)[], found: Misspelling[]): void {
  const name = String(path.at(-1));
  const folded = name.toLowerCase();
  const meant = Object.keys(names).find((known) => known.toLowerCase() === folded);
  if (meant === undefined) return;
  const hint = `found \`${name}\`, meant \`${meant}\`?`;
  found.push({ at: pointer(...path), meant: pointer(...path.slice(0, -1), meant), hint });
}

/** The warnings that go with a document which is right otherwise. */
export function warningsOf(found: readonly Misspelling[]): Problem[] {
  return found.map(({ at, hint }) => ({ at, message: `ignored, since names count by their case: ${hint}` }));
}

/** Says at the places that are wrong for want of a field what it is called there. */
export function withHints(problems: readonly Problem[], found: readonly Misspelling[]): readonly Problem[] {
  if (found.length === 0) return problems;
  const hints = new Map(found.map(({ meant, hint }): [string, string] => [meant, hint]).reverse());
  return problems.map((problem) => {
    const hint = hints.get(problem.at);
    return hint === undefined ? problem : { ...problem, message: `${problem.message} (${hint})` };
  });
}
