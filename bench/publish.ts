/** Puts results where people see them: bench/chart.svg and the table in README.md. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chart } from "./chart.ts";
import type { Results } from "./results.ts";
import { CHECKOUT } from "./runtimes.ts";
import { environmentLine, readmeTable } from "./table.ts";

const BEGIN = "<!-- npm run bench -- --publish -->";
const END = "<!-- end -->";

export function publish(file: string): void {
  const results = JSON.parse(readFileSync(file, "utf8")) as Results;
  writeFileSync(path.join(CHECKOUT, "bench/chart.svg"), chart(results));
  const readme = path.join(CHECKOUT, "README.md");
  writeFileSync(readme, replaceBetween(readFileSync(readme, "utf8"), readmePart(results)));
}

function readmePart(results: Results): string {
  const versions = ["runc", "crun"].flatMap((name) => results.runtimes[name]?.replace(" version", "") ?? []);
  const image = "![tsrunc beside runc and crun: medians](bench/chart.svg)";
  return `${image}\n\n${readmeTable(results)}\n\nMeasured beside ${versions.join(" and ")}:\n${environmentLine(results)}.`;
}

/** Puts a text between the two marks. @throws Error when they are not there */
export function replaceBetween(text: string, part: string): string {
  const [before, rest] = split(text, BEGIN);
  const [, after] = split(rest, END);
  return `${before}${BEGIN}\n\n${part}\n\n${END}${after}`;
}

function split(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`README.md has no \`${mark}\``);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
