/** A result in the format that was asked for. */
import type { Format } from "../options.ts";
import type { RunResult } from "../result.ts";
import { html } from "./html.ts";
import { junit } from "./junit.ts";
import { pretty } from "./pretty.ts";
import { tap } from "./tap.ts";

const RENDERERS: Readonly<Record<Format, (result: RunResult) => string>> = {
  pretty,
  tap,
  junit,
  html: (result) => html([result]),
  json: (result) => `${JSON.stringify(result, null, 1)}\n`,
};

export function render(result: RunResult, format: Format): string {
  return RENDERERS[format](result);
}
