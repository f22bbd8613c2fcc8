/** Manual pages, in the man(7) language of troff, from the command table and prose.ts. */
import { type FlagSpec, flagsOf, globalSpec, type VerbName, verbNames, verbSpec } from "../../src/cli/table.ts";
import { placeholderOf } from "./help.ts";
import { PROGRAM, PROSE } from "./prose.ts";

const WIDTH = 78;

export interface Edition {
  readonly version: string;
  /** YYYY-MM-DD */
  readonly date: string;
}

/** Pages by the names of their files. */
export function manualPages(edition: Edition): Readonly<Record<string, string>> {
  const pages: Record<string, string> = { "tsrunc.8": programPage(edition) };
  for (const name of verbNames()) pages[`tsrunc-${name}.8`] = verbPage(name, edition);
  return pages;
}

function programPage(edition: Edition): string {
  const verbs = verbNames().map((name) => definition(bold(name), verbSpec(name).summary));
  return page(
    title("tsrunc", edition),
    section("NAME", running("tsrunc - run containers as the Open Container Initiative describes them")),
    section("SYNOPSIS", `${bold("tsrunc")} [${italic("OPTIONS")}] ${italic("VERB")} [${italic("ARGUMENTS")}]`),
    section("DESCRIPTION", ...paragraphs(PROGRAM.description)),
    section("VERBS", ...verbs),
    section("OPTIONS", ...flagsOf(globalSpec()).map(flagDefinition)),
    section("EXIT STATUS", ...paragraphs([PROGRAM.exitStatus])),
    section("ENVIRONMENT", ...PROGRAM.environment.map(([name, text]) => definition(bold(name), text))),
    section("FILES", ...PROGRAM.files.map(([name, text]) => definition(italic(name), text))),
    section("SEE ALSO", seeAlso(verbNames().map((name) => `tsrunc-${name}`))),
  );
}

function verbPage(name: VerbName, edition: Edition): string {
  const spec = verbSpec(name);
  const { description, examples = [] } = PROSE[name];
  const flags = flagsOf(spec);
  const options = flags.length === 0 ? "" : ` [${italic("OPTIONS")}]`;
  const lines = examples.map((line) => plain(`# ${line}`));
  return page(
    title(`tsrunc-${name}`, edition),
    section("NAME", running(`tsrunc-${name} - ${spec.summary}`)),
    section("SYNOPSIS", `${bold(`tsrunc ${name}`)}${options} ${italic(spec.usage)}`.trimEnd()),
    section("DESCRIPTION", ...paragraphs(description)),
    flags.length === 0 ? "" : section("OPTIONS", ...flags.map(flagDefinition)),
    lines.length === 0 ? "" : section("EXAMPLES", `.nf\n${lines.join("\n")}\n.fi`),
    section("SEE ALSO", seeAlso(["tsrunc"])),
  );
}

function page(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("");
}

function title(name: string, { version, date }: Edition): string {
  return `.TH ${plain(name.toUpperCase())} 8 ${date} "tsrunc ${version}" "System Administration"\n`;
}

function section(name: string, ...parts: readonly string[]): string {
  return `.SH ${name}\n${parts.join("\n")}\n`;
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.map((text, index) => (index === 0 ? "" : ".PP\n") + running(text));
}

function definition(term: string, text: string): string {
  return `.TP\n${term}\n${running(text)}`;
}

function flagDefinition(flag: FlagSpec): string {
  const names = [...(flag.short === undefined ? [] : [`-${flag.short}`]), `--${flag.name}`].map(bold).join(", ");
  const value = placeholderOf(flag);
  return definition(value === "" ? names : `${names} ${italic(value)}`, flag.text);
}

function seeAlso(names: readonly string[]): string {
  return names.map((name, index) => `.BR ${plain(name)} (8)${index < names.length - 1 ? "," : ""}`).join("\n");
}

/** Text with `code` in bold, in lines of a width that mandoc does not mind. */
function running(text: string): string {
  const marked = text.split("`").map((part, index) => (index % 2 === 0 ? plain(part) : bold(part)));
  const lines: string[] = [];
  for (const word of marked.join("").split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < WIDTH && !/[^.][.:]$/.test(line))
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  // At the start of a line a dot and a quote are requests.
  return lines.map((line) => (/^[.']/.test(line) ? `\\&${line}` : line)).join("\n");
}

function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

function italic(text: string): string {
  return text === "" ? "" : `\\fI${plain(text)}\\fR`;
}

/** Troff makes other characters of these. */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll("…", "...");
}
