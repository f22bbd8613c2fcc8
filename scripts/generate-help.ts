/** Writes src/generated/help.ts: the help texts as data, so that nothing has to render them at run time. */
import { join } from "node:path";
import { verbNames } from "../src/cli/table.ts";
import { renderHelp } from "./texts/help.ts";
import { writeChanged } from "./texts/write.ts";

export async function generate(root: string): Promise<void> {
  const entries: (readonly [string, string])[] = [["", await renderHelp(undefined)]];
  for (const name of verbNames()) entries.push([name, await renderHelp(name)]);
  const lines = entries.map(([name, text]) => `  ${JSON.stringify(name)}: ${JSON.stringify(text)},\n`);
  writeChanged(
    join(root, "src/generated/help.ts"),
    `/** Made by scripts/generate-help.ts: help of the program, under "", and of each verb. */\nexport const HELP = {\n${lines.join("")}} as const;\n`,
  );
}
