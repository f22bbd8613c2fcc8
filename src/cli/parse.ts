/**
 * Parses the command line in Go's style, which engines rely on: `-flag`, `--flag`, `--flag=value` and
 * `--flag value` are equal, and a flag of a verb may stand before or after the id. Beside that `-fVALUE` and joined
 * one-letter booleans (`-dt`) work. `node:util`'s parseArgs knows no `-flag`, and importing it
 * costs 0.8 ms of a start that takes 3.
 */

import { nearest } from "../spec/schema-problems.ts";
import { Flags } from "./flags.ts";
import {
  choicesOf,
  type FlagSpec,
  findFlag,
  flagsOf,
  globalSpec,
  isVerb,
  type VerbName,
  type VerbSpec,
  verbNames,
  verbSpec,
} from "./table.ts";

export interface CommandLine {
  readonly globals: Flags;
  /** Absent for `tsrunc`, `tsrunc --version`, `tsrunc --help`. */
  readonly verb: VerbName | undefined;
  readonly flags: Flags;
  readonly args: readonly string[];
  /** `-h` was given, of the verb if there is one. */
  readonly help: boolean;
}

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The verb, "" when the error is before it. */
  readonly verb: string;

  constructor(verb: string, message: string) {
    super(message);
    this.verb = verb;
  }
}

/** The end of a message: what was probably meant by a word that is none of the candidates. */
function meant(word: string, candidates: readonly string[], dashes = ""): string {
  const near = nearest(word, candidates);
  return near === undefined ? "" : `; did you mean \`${dashes}${near}\`?`;
}

interface Scanner {
  readonly words: readonly string[];
  next: number;
}

/**
 * @param words the arguments without the program name
 * @param globals is filled; if the line is wrong, at least with the flags that say where errors are logged
 * @throws UsageError
 */
export function parseCommandLine(words: readonly string[], globals: Flags = new Flags()): CommandLine {
  try {
    return parseWords(words, globals);
  } catch (error) {
    if (error instanceof UsageError) findLog(words, globals);
    throw error;
  }
}

function parseWords(words: readonly string[], globals: Flags): CommandLine {
  const scanner: Scanner = { words, next: 0 };
  const global = globalSpec();
  for (let word = words[0]; word !== undefined && isFlag(word); word = words[scanner.next]) {
    scanner.next++;
    if (word === "--") break;
    takeFlag(scanner, word, global, [global], [globals]);
  }
  const name = words[scanner.next++];
  const flags = new Flags();
  const asked = globals.bool("help");
  if (name === undefined) return { globals, verb: undefined, flags, args: [], help: asked };
  if (name === "help" || name === "h") return helpVerb(globals, words[scanner.next]);
  if (!isVerb(name)) throw unknownVerb(name, words.slice(scanner.next));
  const spec = verbSpec(name);
  const args = takeArguments(scanner, spec, globals, global, flags);
  const help = asked || flags.bool("help") || globals.bool("help");
  if (!help) checkCount(spec, args);
  return { globals, verb: name, flags, args, help };
}

function takeArguments(scanner: Scanner, spec: VerbSpec, globals: Flags, global: VerbSpec, flags: Flags): string[] {
  const args: string[] = [];
  const { words } = scanner;
  for (let word = words[scanner.next]; word !== undefined; word = words[scanner.next]) {
    scanner.next++;
    if (word === "--") {
      return args.concat(words.slice(scanner.next));
    }
    if (isFlag(word)) {
      takeFlag(scanner, word, spec, [spec, global], [flags, globals]);
      continue;
    }
    if (spec.rest === "after-dashes") {
      throw new UsageError(spec.name, `\`${spec.name}\`: unexpected argument \`${word}\`; a command goes after \`--\``);
    }
    args.push(word);
    if (spec.rest === "after-first") {
      if (words[scanner.next] === "--") scanner.next++;
      return args.concat(words.slice(scanner.next));
    }
  }
  return args;
}

export function isFlag(word: string): boolean {
  return word.length > 1 && word.startsWith("-");
}

/** The parts of `--name=value`, `-name=value`, `--name` and `-name`. */
export function splitFlag(word: string): { readonly name: string; readonly value: string | undefined } {
  const body = word.slice(word.startsWith("--") ? 2 : 1);
  const equals = body.indexOf("=");
  return equals < 0 ? { name: body, value: undefined } : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

/** Takes one flag and its value; what `specs[i]` knows goes into `into[i]`, the first that knows it wins. */
function takeFlag(
  scanner: Scanner,
  word: string,
  verb: VerbSpec,
  specs: readonly VerbSpec[],
  into: readonly Flags[],
): void {
  const { name, value: given } = splitFlag(word);
  const known = lookUp(name, verb, specs, into);
  if (known !== undefined) {
    const { flag, target } = known;
    target.add(flag.name, flag.kind === "bool" ? truth(verb, flag, given) : takeValue(scanner, verb, flag, given));
    return;
  }
  if (!word.startsWith("--") && takeJoined(word.slice(1), verb, specs, into)) return;
  const candidates = specs.flatMap((spec) => flagsOf(spec).map((flag) => flag.name));
  const where = verb.name === "" ? "" : ` of \`${verb.name}\``;
  throw new UsageError(verb.name, `unknown flag \`${word}\`${where}${meant(name, candidates, "--")}`);
}

interface Known {
  readonly flag: FlagSpec;
  readonly target: Flags;
}

function lookUp(name: string, verb: VerbSpec, specs: readonly VerbSpec[], into: readonly Flags[]): Known | undefined {
  for (let i = 0; i < specs.length; i++) {
    const spec = specs[i]!;
    const flag = findFlag(spec, name);
    // `-v` behind a verb is taken for "verbose" or "volume": better an error than a version.
    if (flag !== undefined && (spec === verb || flag.name !== "version")) return { flag, target: into[i]! };
  }
  return undefined;
}

/** `-bDIR` and `-dt`: one-letter flags written as one word. */
function takeJoined(body: string, verb: VerbSpec, specs: readonly VerbSpec[], into: readonly Flags[]): boolean {
  const taken: Known[] = [];
  for (let at = 0; at < body.length; at++) {
    const known = lookUp(body.charAt(at), verb, specs, into);
    if (known === undefined) return false;
    if (known.flag.kind !== "bool") {
      // A value only right behind the first letter: `-dpfoo` is more likely a mistyped `--dpfoo`.
      if (at > 0) return false;
      known.target.add(known.flag.name, checkValue(verb, known.flag, body.slice(1)));
      return true;
    }
    taken.push(known);
  }
  for (const { flag, target } of taken) target.add(flag.name, "true");
  return true;
}

function takeValue(scanner: Scanner, verb: VerbSpec, flag: FlagSpec, given: string | undefined): string {
  const value = given ?? scanner.words[scanner.next++];
  if (value === undefined) throw new UsageError(verb.name, `flag \`--${flag.name}\` needs a value (${flag.value})`);
  return checkValue(verb, flag, value);
}

/** An empty value counts as not given, see flags.ts. */
function checkValue(verb: VerbSpec, flag: FlagSpec, value: string): string {
  if (flag.kind !== "choice" || value === "") return value;
  const choices = choicesOf(flag.value);
  if (choices.includes(value)) return value;
  const expected = `expected ${choices.join(" or ")}, found \`${value}\``;
  throw new UsageError(verb.name, `flag \`--${flag.name}\`: ${expected}${meant(value, choices)}`);
}

/** Go's strconv.ParseBool. */
function truth(verb: VerbSpec, flag: FlagSpec, given: string | undefined): string {
  switch (given) {
    case undefined:
    case "1":
    case "t":
    case "T":
    case "true":
    case "TRUE":
    case "True":
      return "true";
    case "0":
    case "f":
    case "F":
    case "false":
    case "FALSE":
    case "False":
      return "false";
    default:
      throw new UsageError(verb.name, `flag \`--${flag.name}\`: expected true or false, found \`${given}\``);
  }
}

function helpVerb(globals: Flags, topic: string | undefined): CommandLine {
  if (topic !== undefined && !isVerb(topic)) throw unknownVerb(topic, ["-h"]);
  return { globals, verb: topic, flags: new Flags(), args: [], help: true };
}

function unknownVerb(name: string, rest: readonly string[]): UsageError {
  if (rest.some((word) => word === "-h" || word === "--help" || word === "-help")) {
    return new UsageError("", `No help topic for '${name}'`);
  }
  return new UsageError("", `unknown command \`${name}\`${meant(name, verbNames())}`);
}

/** Takes from a line that is wrong what it says of the log, also behind the error: engines look there for the reason. */
function findLog(words: readonly string[], globals: Flags): void {
  const global = globalSpec();
  let verb: VerbSpec | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") return;
    if (!isFlag(word)) {
      if (verb === undefined && isVerb(word)) verb = verbSpec(word);
      else if (verb?.rest === "after-first") return;
      continue;
    }
    const { name, value: given } = splitFlag(word);
    const own = verb === undefined ? undefined : findFlag(verb, name);
    const flag = own ?? findFlag(global, name);
    if (flag === undefined || flag.kind === "bool") continue;
    const value = given ?? words[++i];
    if (own !== undefined || value === undefined) continue;
    if (flag.name === "log") globals.add("log", value);
    if (flag.name === "log-format" && choicesOf(flag.value).includes(value)) globals.add("log-format", value);
  }
}

function checkCount(spec: VerbSpec, args: readonly string[]): void {
  if (args.length < spec.min) {
    const missing = spec.usage.split(" ")[args.length];
    throw new UsageError(
      spec.name,
      `\`${spec.name}\`: missing argument ${missing} (usage: ${spec.name} ${spec.usage})`,
    );
  }
  if (args.length > spec.max) {
    throw new UsageError(spec.name, `\`${spec.name}\`: unexpected argument \`${args[spec.max]}\``);
  }
  const choices = choicesOf(spec.usage.split(" ")[0]);
  const [first] = args;
  if (first === undefined || choices.length === 0 || choices.includes(first)) return;
  const expected = `expected ${choices.join(" or ")}, found \`${first}\``;
  throw new UsageError(spec.name, `\`${spec.name}\`: ${expected}${meant(first, choices)}`);
}
