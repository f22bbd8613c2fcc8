/** npm run bench: tsrunc, runc and crun side by side, see --help. Started by scripts/bench.sh. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { Bench, checkPrivate } from "./bench.ts";
import { measureAll } from "./measure.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { profileText } from "./profile.ts";
import { publish } from "./publish.ts";
import { type Results, resultsText } from "./results.ts";
import { CHECKOUT } from "./runtimes.ts";
import { terminalTable } from "./table.ts";

function writeResults(results: Results, { output, quick, only }: Options): string {
  const name = quick || only.length > 0 ? "partial" : results.date.slice(0, 16).replace(":", "");
  const file = path.resolve(output ?? path.join(CHECKOUT, "bench/results", `${name}.json`));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, resultsText(results));
  return file;
}

/** Whatever ends the run, nothing may stay: containers, cgroups and the directory are removed. */
function closeOnSignals(bench: Bench): void {
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const) {
    process.on(signal, () => {
      bench.close();
      process.exit(128 + number);
    });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) process.stdout.write(USAGE);
  else if (options.publish !== undefined) publish(options.publish);
  else return await benchmark(options);
  return 0;
}

async function benchmark(options: Options): Promise<number> {
  checkPrivate();
  const bench = new Bench(options.runtimes);
  closeOnSignals(bench);
  try {
    const results = await measureAll(bench, options);
    process.stdout.write(terminalTable(results));
    console.log(`results: ${writeResults(results, options)}`);
    const tsrunc = bench.runtimes.find(({ name }) => name === "tsrunc");
    if (options.profile && tsrunc !== undefined) {
      console.log(await profileText(bench, tsrunc, Math.min(options.count, 30)));
    }
    const left = bench.left();
    if (left.length > 0) throw new Error(`runtimes have left \`${left.join("`, `")}\``);
    return results.failures.length > 0 ? 1 : 0;
  } finally {
    bench.close();
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  return 1;
});
// The launcher's pipes would keep the process.
process.exit();
