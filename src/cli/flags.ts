/** The flags that one command line gave: raw values, read by name and kind. */

import { TsruncError } from "../errors.ts";

export class Flags {
  private readonly values = new Map<string, string[]>();

  /** Notes one occurrence; a boolean's value is `true` or `false`. */
  add(name: string, value: string): void {
    const values = this.values.get(name);
    if (values === undefined) this.values.set(name, [value]);
    else values.push(value);
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  /** The last value given; an empty one counts as not given, as engines pass `--pid-file ""`. */
  string(name: string): string | undefined {
    const value = this.values.get(name)?.at(-1);
    return value === "" ? undefined : value;
  }

  bool(name: string): boolean {
    return this.maybeBool(name) ?? false;
  }

  maybeBool(name: string): boolean | undefined {
    const value = this.string(name);
    return value === undefined ? undefined : value === "true";
  }

  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** @throws TsruncError `usage` unless it is a decimal integer that a double holds exactly. */
  int(name: string): number | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw badValue(name, value, "an integer");
    return number;
  }

  /** @throws TsruncError `usage` unless it is one of the words. */
  oneOf<const W extends string>(name: string, words: readonly W[]): W | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw badValue(name, value, words.join(" or "));
    return word;
  }
}

export function badValue(name: string, value: string, expected: string): TsruncError {
  return new TsruncError("usage", `flag \`--${name}\`: expected ${expected}, found \`${value}\``);
}
