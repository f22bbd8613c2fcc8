/** Help by yargs from the command table. `{program}` and `{version}` are filled in where it is printed. */
import yargs, { type Argv } from "yargs";
import {
  type FlagSpec,
  flagsOf,
  globalSpec,
  type VerbName,
  type VerbSpec,
  verbNames,
  verbSpec,
} from "../../src/cli/table.ts";

const WIDTH = 100;

/** Help of one verb, or of the program. */
export async function renderHelp(verb: VerbName | undefined): Promise<string> {
  const parser = newParser();
  // yargs strips the indentation of its own usage line, which users of runc (and its tests) expect.
  const head = verb === undefined ? describeProgram(parser) : describeVerb(parser, verbSpec(verb));
  const options = (await parser.getHelp()).trim();
  return options === "" ? `${head}\n` : `${head}\n\n${options}\n`;
}

function describeProgram(parser: Argv): string {
  for (const name of verbNames()) parser.command(name, verbSpec(name).summary);
  addFlags(parser, flagsOf(globalSpec()), "GLOBAL OPTIONS:");
  return [
    "NAME:\n   {program} - Open Container Initiative runtime",
    "USAGE:\n   {program} [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]",
    "VERSION:\n   {version}",
  ].join("\n\n");
}

function describeVerb(parser: Argv, spec: VerbSpec): string {
  addFlags(parser, flagsOf(spec), "OPTIONS:");
  return `NAME:\n   {program} ${spec.name} - ${spec.summary}\n\nUSAGE:\n   ${usageOf(spec)}`;
}

/** The command line of a verb in one line. */
export function usageOf(spec: VerbSpec, program = "{program}"): string {
  const options = flagsOf(spec).length === 0 ? "" : " [OPTIONS]";
  return `${program} ${spec.name}${options} ${spec.usage}`.trimEnd();
}

function addFlags(parser: Argv, flags: readonly FlagSpec[], group: string): void {
  for (const flag of flags) {
    const alias = flag.short === undefined ? {} : { alias: flag.short };
    // The placeholder as a part of the name: yargs has no other place for it.
    parser.option(`${flag.name} ${placeholderOf(flag)}`.trimEnd(), { description: flag.text, group, ...alias });
  }
}

/** What stands for the value; a flag that may be repeated has three dots behind it. */
export function placeholderOf({ value = "", kind }: FlagSpec): string {
  return kind === "list" ? `${value}…` : value;
}

/** In English whatever the locale says, and without a program's name before each command. */
function newParser(): Argv {
  return yargs([])
    .scriptName("")
    .usage("")
    .detectLocale(false)
    .updateStrings({ "Commands:": "COMMANDS:" })
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(WIDTH);
}
