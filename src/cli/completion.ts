/**
 * What may follow on a command line that is being typed. The scripts of the shells (completion-scripts.ts) ask for it
 * by the hidden verb `__complete`.
 */

import { signalNames } from "../container/signals.ts";
import { isFlag, splitFlag } from "./parse.ts";
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

export interface Candidate {
  readonly word: string;
  readonly text?: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** What the shell is to look for itself. */
  readonly paths: "nothing" | "files" | "directories";
}

/** Names of the containers below a root directory, or below the default one. */
export type ListIds = (root: string | undefined) => readonly string[];

const NOTHING: Completion = { candidates: [], paths: "nothing" };

/** Verbs whose id is a new one. */
const MAKERS: readonly VerbName[] = ["create", "run", "plan", "restore"];

/** What is known of the words before the one that is being typed. */
interface Line {
  verb: VerbSpec | undefined;
  /** `help` was the first word. */
  help: boolean;
  /** Positional arguments of the verb. */
  args: number;
  /** Only arguments may follow: `--` was there. */
  ended: boolean;
  /** The flag whose value is being typed. */
  open: FlagSpec | undefined;
  readonly given: Set<string>;
  root: string | undefined;
}

/** @param words those behind the program's name; the last one is being typed and may be empty */
export function complete(words: readonly string[], ids: ListIds): Completion {
  const line = read(words.slice(0, -1));
  const typed = words.at(-1) ?? "";
  if (line.open !== undefined) return startingWith(typed, valuesOf(line.open));
  if (line.verb !== undefined && line.verb.rest === "after-first" && line.args > 0) return rest(line.verb);
  if (line.help && line.verb !== undefined) return NOTHING;
  if (typed.startsWith("-") && !line.ended) return completeFlag(line, typed);
  if (line.verb === undefined) return startingWith(typed, { ...NOTHING, candidates: verbNames().map(describeVerb) });
  return startingWith(typed, argumentsOf(line.verb, line, ids));
}

/** As the hidden verb prints it: `word<tab>text`, and in the last line what the shell is to look for. */
export function completionText({ candidates, paths }: Completion): string {
  const lines = candidates.map(({ word, text }) => (text === undefined ? word : `${word}\t${text}`));
  return `${[...lines, `:${paths}`].join("\n")}\n`;
}

/** Reads like the parser, but takes no offence. */
function read(words: readonly string[]): Line {
  const global = globalSpec();
  const line: Line = {
    ...{ verb: undefined, help: false, args: 0, ended: false, open: undefined, root: undefined },
    given: new Set(),
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (line.ended || !isFlag(word)) {
      if (line.verb !== undefined) line.args++;
      else if (isVerb(word)) line.verb = verbSpec(word);
      else if (word === "help") line.help = true;
      if (line.verb?.rest === "after-first" && line.args > 0) return line;
      continue;
    }
    if (word === "--") {
      line.ended = line.verb !== undefined;
      continue;
    }
    const { name, value } = splitFlag(word);
    const flag = (line.verb === undefined ? undefined : findFlag(line.verb, name)) ?? findFlag(global, name);
    if (flag === undefined) continue;
    line.given.add(flag.name);
    const taken = flag.kind === "bool" || value !== undefined ? value : words[++i];
    if (flag.name === "root") line.root = taken;
    if (flag.kind !== "bool" && taken === undefined) line.open = flag;
  }
  return line;
}

function describeVerb(name: VerbName): Candidate {
  return { word: name, text: verbSpec(name).summary };
}

function completeFlag({ verb, given }: Line, typed: string): Completion {
  const specs = verb === undefined ? [globalSpec()] : [verb, globalSpec()];
  const { name, value } = splitFlag(typed);
  if (value !== undefined) {
    const flag = specs.map((spec) => findFlag(spec, name)).find((found) => found !== undefined);
    if (flag === undefined || flag.kind === "bool") return NOTHING;
    const before = typed.slice(0, typed.length - value.length);
    const { candidates, paths } = startingWith(value, valuesOf(flag));
    return { candidates: candidates.map(({ word }) => ({ word: before + word })), paths };
  }
  // The flags of the program are offered before the verb only, where people write them.
  const flags = flagsOf(specs[0]!).filter((flag) => flag.kind === "list" || !given.has(flag.name));
  const candidates = flags.map((flag) => ({ word: `--${flag.name}`, text: flag.text }));
  return startingWith(typed, { ...NOTHING, candidates });
}

function valuesOf(flag: FlagSpec): Completion {
  switch (flag.value) {
    case "FILE":
    case "PATH":
      return { ...NOTHING, paths: "files" };
    case "DIR":
      return { ...NOTHING, paths: "directories" };
    default:
      return { ...NOTHING, candidates: choicesOf(flag.value).map((word) => ({ word })) };
  }
}

function argumentsOf(verb: VerbSpec, { args, root }: Line, ids: ListIds): Completion {
  const placeholder = verb.usage.split(" ")[args];
  const choices = choicesOf(placeholder);
  if (choices.length > 0) return { ...NOTHING, candidates: choices.map((word) => ({ word })) };
  if (placeholder === "[SIGNAL]") return { ...NOTHING, candidates: signalNames().map((word) => ({ word })) };
  if (/\b(BUNDLE|FILE)\b/.test(placeholder ?? "")) return { ...NOTHING, paths: "files" };
  if (placeholder !== "ID" || MAKERS.includes(verb.name as VerbName)) return NOTHING;
  return { ...NOTHING, candidates: ids(root).map((word) => ({ word })) };
}

/** Behind the first argument: of a bundle here, of a command inside a container nothing can be known. */
function rest(verb: VerbSpec): Completion {
  return verb.name === "seccomp" ? { ...NOTHING, paths: "files" } : NOTHING;
}

function startingWith(typed: string, { candidates, paths }: Completion): Completion {
  return { candidates: candidates.filter(({ word }) => word.startsWith(typed)), paths };
}
