/**
 * The script of the standalone executable's own engine. It is run once, by the build, up to `start`, and what memory then
 * looks like becomes part of the executable.
 */
import "./globals.ts";
import { main } from "../../cli/command-line.ts";
import { loadAll } from "../../cli/verbs.ts";
import process from "./process.ts";

await loadAll();
await import("../../cli/report.ts");
await import("../../init/launch.ts");

Object.assign(globalThis, { start: () => main(process.argv.slice(2)) });
