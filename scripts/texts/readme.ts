/** README's table of verbs and flags. */
import { type FlagSpec, flagsOf, globalSpec, type VerbName, verbNames, verbSpec } from "../../src/cli/table.ts";
import { REFUSED } from "./prose.ts";

const START = "<!-- verbs and flags: UPDATE_README=1 npm test -- test/texts -->";
const END = "<!-- end of verbs and flags -->";

/** @returns the page with the table as it should be. @throws Error when it has no place for it */
export function withVerbTable(page: string): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error("README.md has no place for the table of verbs");
  return `${page.slice(0, start + START.length)}\n\n${verbTable()}\n${page.slice(end)}`;
}

function verbTable(): string {
  const rows = [
    ["verb", "what it does", "flags"],
    ["_before the verb_", "", listed(flagsOf(globalSpec()))],
    ...verbNames().map((name) => {
      const spec = verbSpec(name);
      return [code(`${name} ${spec.usage}`.trimEnd()), spec.summary, flagCell(name)];
    }),
  ];
  // In columns, as the formatter has them.
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("");
}

/** Flags that a verb has from another are not named again. */
function flagCell(name: VerbName): string {
  if (REFUSED.includes(name)) return "not there yet";
  const own = flagsOf(verbSpec(name));
  for (const other of ["run", "create"] as const) {
    const theirs = flagsOf(verbSpec(other)).map((flag) => flag.name);
    if (other === name || !theirs.every((flag) => own.some((mine) => mine.name === flag))) continue;
    return `those of ${code(other)}, ${listed(own.filter((flag) => !theirs.includes(flag.name)))}`;
  }
  return listed(own);
}

function listed(flags: readonly FlagSpec[]): string {
  return flags.map(({ name, short }) => code(short === undefined ? `--${name}` : `-${short}, --${name}`)).join(" ");
}

/** A bar would end the cell, also in code. */
function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}
