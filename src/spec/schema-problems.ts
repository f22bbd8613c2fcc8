/** Turns what the generated validators report into problems a user can mend. */
import type { Problem } from "../errors.ts";
import type { SchemaError } from "../generated/validate.js";
import { pointer, resolvePointer, show } from "./pointer.ts";

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  integer: "an integer",
  null: "null",
  number: "a number",
  object: "an object",
  string: "a string",
};

/** One problem per place, in the order of the schema. */
export function schemaProblems(document: unknown, errors: readonly SchemaError[]): Problem[] {
  const byPlace = new Map<string, Problem>();
  for (const error of errors) {
    const problem = schemaProblem(document, error);
    if (!byPlace.has(problem.at)) byPlace.set(problem.at, problem);
  }
  return [...byPlace.values()];
}

function schemaProblem(document: unknown, error: SchemaError): Problem {
  if (error.keyword === "required") {
    const at = error.at + pointer(String(error.wanted));
    return { at, message: `${subject(at)}is required, but missing` };
  }
  const found = resolvePointer(document, error.at);
  return {
    at: error.at,
    message: `${subject(error.at)}expected ${expectation(error, found)}, found ${show(found)}${guess(error, found)}`,
  };
}

/** Words that users of other runtimes know an error by. */
function subject(at: string): string {
  const part = /^\/linux\/memoryPolicy\/(mode|flag|node)/.exec(at)?.[1];
  return part === undefined ? "" : `invalid memory policy ${part}: `;
}

function expectation(error: SchemaError, found: unknown): string {
  switch (error.keyword) {
    case "enum":
      return `one of ${listed(error.wanted as readonly string[])}`;
    case "range":
      return integerRange(String(error.wanted), found);
    case "minItems":
      return "at least one entry";
    case "minLength":
      return "a text that is not empty";
    default:
      return [error.wanted]
        .flat()
        .map((name) => TYPE_NAMES[String(name)] ?? String(name))
        .join(" or ");
  }
}

/** The limits are of interest only to someone who wrote a number. */
function integerRange(limits: string, found: unknown): string {
  if (typeof found !== "number" && typeof found !== "bigint") return "an integer";
  const [min, max] = limits.split(" ");
  // It was written with an exponent: a double of this size has lost digits.
  const isInexact = Number.isInteger(found) && Number(min) <= found && found <= Number(max);
  if (isInexact) return "an integer with all of its digits";
  return `an integer from ${min} to ${max}`;
}

function listed(values: readonly string[]): string {
  const shown = values.slice(0, 10).map((value) => (value === "" ? '""' : `\`${value}\``));
  return values.length > shown.length ? `${shown.join(", ")} … (${values.length} in all)` : shown.join(", ");
}

function guess(error: SchemaError, found: unknown): string {
  if (error.keyword !== "enum" || typeof found !== "string") return "";
  const near = nearest(found, error.wanted as readonly string[]);
  return near === undefined ? "" : ` (did you mean \`${near}\`?)`;
}

/** The candidate that is the same but for case, a prefix such as `CAP_`, or one or two letters. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toUpperCase();
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    const upper = candidate.toUpperCase();
    if (upper === wanted || (wanted.length > 1 && upper.endsWith(`_${wanted}`))) return candidate;
    const comparable = candidate.length > 3 && Math.abs(upper.length - wanted.length) < bestDistance;
    const distance = comparable ? editDistance(wanted, upper) : bestDistance;
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_unused, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const current = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
