/**
 * The script of the standalone executable's own engine. It is run once, by the build, up to here; what memory then looks
 * like becomes part of the executable, where `start` is called.
 */
import "../sys/quickjs/globals.ts";
import process, { forget } from "../sys/quickjs/process.ts";
import { main } from "./command-line.ts";
import { loadAll } from "./verbs.ts";
import { warmUp } from "./warm-up.ts";

await loadAll();
await import("./report.ts");
await import("../init/launch.ts");
/** The build gives a bundle: `engine --snapshot SCRIPT HEAP BUNDLE`. No variable of the module may keep its name. */
function prepare(): void {
  const bundle = process.argv[5];
  if (bundle !== undefined) warmUp(bundle);
  forget();
}

prepare();

Object.assign(globalThis, { start: () => main(process.argv.slice(2)) });
