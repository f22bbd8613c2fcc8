/** The command line. */
import { parseArgs } from "node:util";

export interface Options {
  /** Rounds of the short series; the long ones have fewer. */
  readonly count: number;
  readonly quick: boolean;
  /** Names of series; empty for all. */
  readonly only: readonly string[];
  /** Commands by name, beside or in place of the usual ones. */
  readonly runtimes: ReadonlyMap<string, string>;
  readonly profile: boolean;
  /** Results to be shown in the README, in place of measuring. */
  readonly publish: string | undefined;
  readonly output: string | undefined;
  readonly help: boolean;
}

export const SERIES = "run verbs lifecycle parallel library memory resident calls".split(" ");

export const USAGE = `npm run bench [-- OPTION…]: tsrunc, runc and crun side by side

  --quick               few rounds: under a minute
  --count N             rounds of the short series (default: 200)
  --only NAME,…         some of: ${SERIES.join(" ")}
  --runtime NAME=PATH   one more runtime, or another in place of tsrunc, runc or crun; may be repeated
  --profile             where tsrunc's time goes, by --timings
  --output FILE         where to write the results (default: bench/results/DATE.json of a full run)
  --publish FILE        measure nothing: make bench/chart.svg and the table in README.md from results
`;

/** @throws Error when the command line is wrong */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      count: { type: "string" },
      only: { type: "string" },
      runtime: { type: "string", multiple: true },
      profile: { type: "boolean" },
      output: { type: "string" },
      publish: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const quick = values.quick ?? false;
  const count = Number(values.count ?? (quick ? 15 : 200));
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`\`--count ${values.count}\`: not a number of rounds`);
  const only = (values.only ?? "").split(",").filter((name) => name !== "");
  const unknown = only.find((name) => !SERIES.includes(name));
  if (unknown !== undefined) throw new Error(`no series \`${unknown}\`; there are: ${SERIES.join(", ")}`);
  return {
    count,
    quick,
    only,
    runtimes: new Map((values.runtime ?? []).map(parseRuntime)),
    profile: values.profile ?? false,
    publish: values.publish,
    output: values.output,
    help: values.help ?? false,
  };
}

function parseRuntime(text: string): readonly [string, string] {
  const [, name, command] = /^([a-z0-9][\w.-]*)=(.+)$/i.exec(text) ?? [];
  if (name === undefined || command === undefined) throw new Error(`\`--runtime ${text}\`: not NAME=PATH`);
  return [name, command];
}
