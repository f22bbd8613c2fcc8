/**
 * Runs cases until the time is over; ends with the first that fails, and says how to see it again.
 *
 *     npm run fuzz -- [MINUTES] [SEED] [TARGET]      at most so long, from that seed, for all targets or for one
 *     npm run fuzz -- --case TARGET:NUMBER           one case: prints its text
 */
import { TARGETS } from "./targets.ts";

function runCase(name: string, number: number): void {
  const target = TARGETS[name];
  if (target === undefined) throw new Error(`no target \`${name}\`; there are ${Object.keys(TARGETS).join(", ")}`);
  target.run(target.make(number));
}

function fuzz(minutes: number, seed: number, names: readonly string[]): void {
  const end = Date.now() + minutes * 60_000;
  const count = Object.fromEntries(names.map((name) => [name, 0]));
  for (let number = seed; Date.now() < end; number++) {
    for (const name of names) {
      try {
        runCase(name, number);
      } catch (error) {
        console.error(`case ${name}:${number}: ${error instanceof Error ? error.stack : String(error)}`);
        console.error(`again: npm run fuzz -- --case ${name}:${number}`);
        process.exit(1);
      }
      count[name]!++;
    }
  }
  console.log(
    Object.entries(count)
      .map(([name, cases]) => `${name} ${cases}`)
      .join(", "),
  );
}

const [first, second, third] = process.argv.slice(2);
if (first === "--case") {
  const [name = "", number] = (second ?? "").split(":");
  console.log(TARGETS[name]?.make(Number(number)));
  runCase(name, Number(number));
  console.log("nothing is wrong with it");
} else {
  const seed = second === undefined ? Date.now() % 1_000_000_000 : Number(second);
  console.log(`seed ${seed}`);
  fuzz(Number(first ?? 1), seed, third === undefined ? Object.keys(TARGETS) : [third]);
}
