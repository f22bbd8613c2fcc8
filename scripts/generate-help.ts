/** Writes src/generated/help.ts: the help texts as data, so that nothing has to render them at run time. */
import { fileURLToPath } from "node:url";
import { verbNames } from "../src/cli/table.ts";
import { renderHelp } from "./texts/help.ts";
import { writeChanged } from "./texts/write.ts";

const entries: (readonly [string, string])[] = [["", await renderHelp(undefined)]];
for (const name of verbNames()) entries.push([name, await renderHelp(name)]);
const lines = entries.map(([name, text]) => `  ${JSON.stringify(name)}: ${JSON.stringify(text)},\n`);
writeChanged(
  fileURLToPath(new URL("../src/generated/help.ts", import.meta.url)),
  `/** Made by scripts/generate-help.ts: help of the program, under "", and of each verb. */\nexport const HELP = {\n${lines.join("")}} as const;\n`,
);
