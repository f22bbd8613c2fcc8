/** Help, suggestions and shell completion, by yargs from the command table. Loading yargs costs 15 ms: only here. */

import type { Argv } from "yargs";
import { versionText } from "../version.ts";
import { type FlagSpec, flagsOf, globalSpec, type VerbName, type VerbSpec, verbNames, verbSpec } from "./table.ts";

/** Help of one verb, or of the program. */
export async function helpText(programName: string, verb: VerbName | undefined): Promise<string> {
  const parser = await newParser(programName);
  // yargs strips the indentation of its own usage line, which users of runc (and its tests) expect.
  const head =
    verb === undefined ? describeProgram(parser, programName) : describeVerb(parser, programName, verbSpec(verb));
  const options = (await parser.getHelp()).trim();
  return options === "" ? `${head}\n` : `${head}\n\n${options}\n`;
}

function describeProgram(parser: Argv, programName: string): string {
  for (const name of verbNames()) parser.command(name, verbSpec(name).summary);
  addFlags(parser, flagsOf(globalSpec()), "GLOBAL OPTIONS:");
  return (
    `NAME:\n   ${programName} - Open Container Initiative runtime\n\n` +
    `USAGE:\n   ${programName} [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n` +
    `VERSION:\n   ${versionText(programName).trimEnd().replaceAll("\n", "\n   ")}`
  );
}

function describeVerb(parser: Argv, programName: string, spec: VerbSpec): string {
  addFlags(parser, flagsOf(spec), "OPTIONS:");
  const options = flagsOf(spec).length === 0 ? "" : " [OPTIONS]";
  const usage = `${programName} ${spec.name}${options} ${spec.usage}`.trimEnd();
  return `NAME:\n   ${programName} ${spec.name} - ${spec.summary}\n\nUSAGE:\n   ${usage}`;
}

function addFlags(parser: Argv, flags: readonly FlagSpec[], group: string): void {
  for (const flag of flags) {
    const { short } = flag;
    parser.option(flag.name, {
      description: flag.value === undefined ? flag.text : `${flag.value}: ${flag.text}`,
      group,
      ...(short === undefined ? {} : { alias: short }),
      ...(flag.kind === "bool" ? { boolean: true as const } : { requiresArg: true }),
    });
  }
}

/** A yargs that never prints and never exits by itself, in English whatever the locale says. */
async function newParser(programName: string, words: readonly string[] = []): Promise<Argv> {
  const { default: yargs } = await import("yargs");
  return yargs([...words])
    .scriptName(programName)
    .detectLocale(false)
    .updateStrings({ "Commands:": "COMMANDS:" })
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(110);
}

/** The candidate that was probably meant. */
export async function suggestion(word: string, candidates: readonly string[]): Promise<string | undefined> {
  const parser = await newParser("", [word]);
  for (const candidate of candidates) parser.command(candidate, "");
  let found: string | undefined;
  parser.recommendCommands().fail((message) => {
    found = candidates.find((candidate) => message.endsWith(` ${candidate}?`) && isLike(word, candidate));
  });
  await parser.parseAsync();
  return found;
}

/** yargs suggests whatever is three edits away, `log` for `bogus`: half of the letters have to be the same. */
function isLike(word: string, candidate: string): boolean {
  const common = [...candidate].filter((letter) => word.includes(letter)).length;
  return 2 * common >= Math.max(word.length, candidate.length);
}

/** The script for the user's shell; it asks `--get-yargs-completions` at each tab. */
export async function completionScript(programName: string): Promise<string> {
  const parser = await newParser(programName);
  return capture(() => {
    parser.completion("completion").showCompletionScript();
  });
}

/** Answers the script: words that may follow, one per line. `ids` gives the containers there are. */
export function completions(words: readonly string[], ids: () => readonly string[]): readonly string[] {
  const typed = words.slice(1);
  const current = typed.at(-1) ?? "";
  const verb = verbNames().find((name) => typed.slice(0, -1).includes(name));
  if (verb === undefined) return matching(current, current.startsWith("-") ? long(globalSpec()) : verbNames());
  const spec = verbSpec(verb);
  return matching(current, current.startsWith("-") ? long(spec) : spec.usage.includes("ID") ? ids() : []);
}

function long(spec: VerbSpec): string[] {
  return flagsOf(spec).map((flag) => `--${flag.name}`);
}

function matching(current: string, words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith(current));
}

/** yargs prints by console.log. */
function capture(action: () => void): string {
  const lines: unknown[] = [];
  const original = console.log;
  console.log = (...values: unknown[]) => lines.push(...values);
  try {
    action();
  } finally {
    console.log = original;
  }
  return `${lines.join("\n")}\n`;
}
