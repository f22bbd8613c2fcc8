/** Writes what is installed beside the executable: manual pages and completion scripts, below `out`. */
import path from "node:path";
import { completionScript } from "../src/cli/completion-scripts.ts";
import { manualPages } from "./texts/man.ts";
import { writeChanged } from "./texts/write.ts";

const COMPLETIONS = { "tsrunc.bash": "bash", _tsrunc: "zsh", "tsrunc.fish": "fish" } as const;

export function generate(out: string, version: string, date: string): void {
  for (const [name, text] of Object.entries(manualPages({ version, date })))
    writeChanged(path.join(out, "man", name), text);
  for (const [name, shell] of Object.entries(COMPLETIONS))
    writeChanged(path.join(out, "completions", name), completionScript("tsrunc", shell));
}
