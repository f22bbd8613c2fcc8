/**
 * JSON as the loader needs it. `JSON.parse` does the work; the scanner below runs only for a text that it cannot
 * do well: one with a syntax error (V8 and JavaScriptCore word it differently, neither gives line and column) or
 * one with an integer of 16 digits or more, which a double may round.
 */
import { TsruncError } from "../errors.ts";
import { hasLongNumber } from "../sys/digits.ts";

/** Deeper than any config.json, shallow enough for the stack. */
export const MAX_DEPTH = 512;
export const TOO_DEEP = `more than ${MAX_DEPTH} levels of \`{\` and \`[\``;

/**
 * The value of a JSON text. An integer literal beyond ±(2^53-1) becomes a `bigint`, every other number a `number`.
 *
 * @param file Name for messages.
 * @throws TsruncError "config" with line and column (both from 1, columns in characters).
 */
export function parseJson(text: string, file: string): unknown {
  // A hit inside of a string does no harm: the scanner gives the same value, only slower.
  if (!hasLongNumber(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // the scanner says where
    }
  }
  const scanner: Scanner = { text, file, at: 0 };
  const value = scanValue(scanner, 0);
  skipSpace(scanner);
  if (scanner.at < text.length) fail(scanner, "the end of the file");
  return value;
}

interface Scanner {
  readonly text: string;
  readonly file: string;
  at: number;
}

function scanValue(scanner: Scanner, depth: number): unknown {
  skipSpace(scanner);
  if (depth > MAX_DEPTH) {
    throw syntaxError(scanner, scanner.at, TOO_DEEP);
  }
  const char = scanner.text[scanner.at];
  if (char === "{") return scanObject(scanner, depth);
  if (char === "[") return scanArray(scanner, depth);
  if (char === '"') return scanString(scanner);
  if (char !== undefined && /[-\d]/.test(char)) return scanNumber(scanner);
  if (scanWord(scanner, "true")) return true;
  if (scanWord(scanner, "false")) return false;
  if (scanWord(scanner, "null")) return null;
  return fail(scanner, "a value");
}

function scanObject(scanner: Scanner, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  scanner.at++;
  if (takes(scanner, "}")) return object;
  for (;;) {
    skipSpace(scanner);
    if (scanner.text[scanner.at] !== '"') fail(scanner, "a name in double quotes");
    const key = scanString(scanner);
    if (!takes(scanner, ":")) fail(scanner, "`:`");
    const value = scanValue(scanner, depth + 1);
    // As JSON.parse does: `__proto__` is a field like any other.
    if (key === "__proto__") {
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
    } else {
      object[key] = value;
    }
    if (takes(scanner, "}")) return object;
    if (!takes(scanner, ",")) fail(scanner, "`,` or `}`");
  }
}

function scanArray(scanner: Scanner, depth: number): unknown[] {
  const array: unknown[] = [];
  scanner.at++;
  if (takes(scanner, "]")) return array;
  for (;;) {
    array.push(scanValue(scanner, depth + 1));
    if (takes(scanner, "]")) return array;
    if (!takes(scanner, ",")) fail(scanner, "`,` or `]`");
  }
}

const PLAIN = /[^"\\\u0000-\u001f]{1,4096}/y;

function scanString(scanner: Scanner): string {
  const { text } = scanner;
  const start = scanner.at++;
  for (; ; scanner.at++) {
    pass(scanner, PLAIN);
    const char = text[scanner.at];
    if (char === undefined) throw syntaxError(scanner, start, 'string without its closing `"`');
    if (char === "\n") throw syntaxError(scanner, scanner.at, "line break inside a string (write `\\n`)");
    if (char < " ") fail(scanner, "no control character inside a string");
    if (char === "\\") scanEscape(scanner);
    if (char === '"') break;
  }
  scanner.at++;
  return JSON.parse(text.slice(start, scanner.at)) as string;
}

/** Leaves `at` on the last character of the escape. */
function scanEscape(scanner: Scanner): void {
  const match = /^\\(["\\/bfnrt]|u[\da-fA-F]{4})/.exec(scanner.text.slice(scanner.at, scanner.at + 6));
  if (match === null) {
    const shown = Array.from(scanner.text.slice(scanner.at, scanner.at + 4))
      .slice(0, 2)
      .join("");
    throw syntaxError(scanner, scanner.at, `unknown escape \`${shown}\` inside a string`);
  }
  scanner.at += match[0].length - 1;
}

const DIGITS = /\d{1,4096}/y;

function scanNumber(scanner: Scanner): number | bigint {
  const { text } = scanner;
  const start = scanner.at;
  if (text[scanner.at] === "-") scanner.at++;
  if (text[scanner.at] === "0") scanner.at++;
  else if (!pass(scanner, DIGITS)) return fail(scanner, "a digit");
  const end = scanner.at;
  scanFraction(scanner);
  if (/[\d.]/.test(text[scanner.at] ?? "")) {
    throw syntaxError(scanner, scanner.at, "a number may not go on like this");
  }
  return scanner.at === end ? integer(text, start, end) : real(text, start, scanner.at);
}

/** Leaves `at` where it is if neither a fraction nor an exponent is there. */
function scanFraction(scanner: Scanner): void {
  const { text } = scanner;
  let end = scanner.at;
  if (text[scanner.at] === ".") {
    scanner.at++;
    if (pass(scanner, DIGITS)) end = scanner.at;
    scanner.at = end;
  }
  if (/[eE]/.test(text[scanner.at] ?? "")) {
    scanner.at++;
    if (/[-+]/.test(text[scanner.at] ?? "")) scanner.at++;
    if (pass(scanner, DIGITS)) end = scanner.at;
    scanner.at = end;
  }
}

/** No field takes more than the 20 digits of 2^64, and what a message shows of a value is the first 60 characters. */
const LONGEST_INTEGER = 61;

function integer(text: string, start: number, end: number): number | bigint {
  const literal = text.slice(start, Math.min(end, start + LONGEST_INTEGER));
  const value = Number(literal);
  return Number.isSafeInteger(value) ? value : BigInt(literal);
}

/** A double has 17 significant digits: nobody writes more than this, and no field is no integer. */
const LONGEST_REAL = 1000;

function real(text: string, start: number, end: number): number {
  return end - start > LONGEST_REAL ? Number.NaN : Number(text.slice(start, end));
}

/** Goes over all characters that `pattern` takes, which is sticky, many at a time; whether there were any. */
function pass(scanner: Scanner, pattern: RegExp): boolean {
  const start = scanner.at;
  for (;;) {
    pattern.lastIndex = scanner.at;
    if (!pattern.test(scanner.text)) return scanner.at > start;
    scanner.at = pattern.lastIndex;
  }
}

function scanWord(scanner: Scanner, word: string): boolean {
  if (!scanner.text.startsWith(word, scanner.at)) return false;
  scanner.at += word.length;
  return true;
}

function takes(scanner: Scanner, char: string): boolean {
  skipSpace(scanner);
  return scanWord(scanner, char);
}

const SPACE = /[ \t\r\n]{1,4096}/y;

function skipSpace(scanner: Scanner): void {
  // Most often there is none.
  if (scanner.text.charCodeAt(scanner.at) <= 0x20) pass(scanner, SPACE);
}

function fail(scanner: Scanner, expected: string): never {
  throw syntaxError(scanner, scanner.at, `expected ${expected}, found ${foundAt(scanner)}`);
}

function foundAt(scanner: Scanner): string {
  const code = scanner.text.codePointAt(scanner.at);
  if (code === undefined) return "the end of the file";
  if (code === 0xfeff) return "a byte order mark (save the file as UTF-8 without one)";
  if (code === 0x0a || code === 0x0d) return "the end of the line";
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const word = /^[\w$]+/.exec(scanner.text.slice(scanner.at, scanner.at + 24));
  return `\`${word === null ? String.fromCodePoint(code) : word[0]}\``;
}

function syntaxError({ text, file }: Scanner, at: number, problem: string): TsruncError {
  let line = 1;
  let lineStart = 0;
  for (let found = text.indexOf("\n"); found >= 0 && found < at; found = text.indexOf("\n", lineStart)) {
    line++;
    lineStart = found + 1;
  }
  const column = countCharacters(text, lineStart, at) + 1;
  const message = `\`${file}\` is not valid json: line ${line}, column ${column}: ${problem}`;
  return new TsruncError("config", message);
}

/** As Array.from() counts them, without a list of them: a file may be one line of many MB. */
function countCharacters(text: string, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i += text.codePointAt(i)! > 0xffff ? 2 : 1) count++;
  return count;
}
