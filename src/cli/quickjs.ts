/**
 * The script of the standalone executable's own engine. It is run once, by the build, up to here; what memory then looks
 * like becomes part of the executable, where `start` is called.
 */
import "../sys/quickjs/globals.ts";
import { host } from "../sys/quickjs/host.ts";
import { pretend, V1, V2 } from "../sys/quickjs/pretend.ts";
import { forget } from "../sys/quickjs/process.ts";
import { main } from "./command-line.ts";
import { loadAll } from "./verbs.ts";
import { BUNDLE, warmUp, warmUpConfig } from "./warm-up.ts";

await loadAll();
await import("./report.ts");
await import("./help.ts");
await import("./completion.ts");
await import("../init/launch.ts");
for (const [files, cgroup2] of [
  [V1, false],
  [V2, true],
] as const) {
  pretend({ ...files, [`${BUNDLE}/config.json`]: warmUpConfig(cgroup2) }, warmUp);
}
forget();

Object.assign(globalThis, { start: () => main(host.argv().slice(1)) });
