/** The smallest memory limit under which a static `true` still runs. */
import type { Bench } from "../bench.ts";
import { call, type Runtime } from "../runtimes.ts";
import { smallest } from "../statistics.ts";

const PAGE = 4096;
const MOST_PAGES = 16_384;

/** Bytes; a limit counts when all of `tries` calls succeed under it. Undefined when 64 MiB are not enough. */
export async function smallestLimit(bench: Bench, runtime: Runtime, tries: number): Promise<number | undefined> {
  const pages = await smallest(1, MOST_PAGES, (count) => runsWith(bench, runtime, count * PAGE, tries));
  return pages === undefined ? undefined : pages * PAGE;
}

async function runsWith(bench: Bench, runtime: Runtime, memoryLimit: number, tries: number): Promise<boolean> {
  const { id, directory } = bench.bundles.write("memory-limit", { memoryLimit });
  const step = { run: [call(runtime, "run", "--bundle", directory, id)] };
  for (let i = 0; i < tries; i++) {
    const answer = await bench.launcher.perform([step], 5000);
    if (answer.steps[0]?.commands[0]?.status === 0) continue;
    bench.clear();
    return false;
  }
  return true;
}
