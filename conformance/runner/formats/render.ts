/** A result in the format that was asked for. */
import type { Format } from "../options.ts";
import type { RunResult } from "../result.ts";
import { html } from "./html.ts";
import { junit } from "./junit.ts";
import { markdown } from "./markdown.ts";
import { pretty } from "./pretty.ts";
import { tap } from "./tap.ts";

/** Formats that set several results beside each other; the others tell of one after another. */
const TOGETHER = { html, markdown } as const;
const RENDERERS: Readonly<Record<Exclude<Format, keyof typeof TOGETHER>, (result: RunResult) => string>> = {
  pretty,
  tap,
  junit,
  json: (result) => `${JSON.stringify(result, null, 1)}\n`,
};

/** @param results of several runtimes, from the same version of the suite */
export function render(results: readonly RunResult[], format: Format): string {
  if (format === "html" || format === "markdown") return TOGETHER[format](results);
  return results.map(RENDERERS[format]).join("\n");
}
