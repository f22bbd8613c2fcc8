#!/usr/bin/env node
/** `tsrunc-conformance`: the suite as a program. */
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { cgroupVersion } from "../lib/host.ts";
import { type Clause, clausesOf, isNewer, type Level, levelOf, readClauses } from "./clauses.ts";
import { render } from "./formats/render.ts";
import type { CaseInfo, Outcome } from "./messages.ts";
import { HELP, type LevelOption, parseRequest, type RunnerOptions, type ShowOptions, UsageError } from "./options.ts";
import { runCases, Unusable, Worker } from "./pool.ts";
import { Progress } from "./progress.ts";
import { type CaseResult, hasFailedMust, type RunResult } from "./result.ts";

function version(): string {
  const manifest = path.resolve(import.meta.dirname, "../package.json");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

interface Chosen extends CaseInfo {
  readonly clauses: readonly Clause[];
  readonly level: Level;
}

const LEVELS_OF: Readonly<Record<LevelOption, readonly Level[]>> = {
  must: ["must"],
  should: ["must", "should"],
  all: ["must", "should", "may", "beyond"],
};

function choose(cases: readonly CaseInfo[], clauses: readonly Clause[], options: RunnerOptions): readonly Chosen[] {
  return cases
    .map((info) => {
      const own = clausesOf(clauses, info.id);
      return { ...info, clauses: own, level: levelOf(own) };
    })
    .filter(({ id }) => (options.keep === undefined ? (options.filter?.test(id) ?? true) : id === options.keep))
    .filter(({ level }) => LEVELS_OF[options.level].includes(level))
    .filter((found) => !isNewer(found.clauses, options.spec));
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function resultOf(found: Chosen, outcome: Outcome | undefined, options: RunnerOptions): CaseResult {
  const { id, file, sentence, level, lacking, gap } = found;
  const known = options.knownGaps ? gap : undefined;
  const failed = outcome?.failure !== undefined;
  const status = lacking !== undefined ? "skipped" : !failed ? "passed" : known !== undefined ? "known" : "failed";
  const reason = lacking ?? (status === "known" ? known : undefined);
  return {
    id,
    file,
    sentence,
    level,
    clauses: found.clauses.map((clause) => clause.id),
    status,
    milliseconds: Math.round(outcome?.milliseconds ?? 0),
    ...(reason === undefined ? {} : { reason }),
    ...(outcome?.failure === undefined ? {} : { failure: outcome.failure }),
    repeat: `tsrunc-conformance --runtime ${quoted(options.runtime)} --keep ${quoted(id)}`,
  };
}

function publish(results: readonly RunResult[], { format, output }: ShowOptions): void {
  const text = render(results, format);
  if (output === undefined) process.stdout.write(text);
  else writeFileSync(output, text);
}

function readResult(file: string): RunResult {
  let result: RunResult;
  try {
    result = JSON.parse(readFileSync(file, "utf8")) as RunResult;
  } catch (error) {
    throw new UsageError(`\`${file}\`: ${(error as Error).message}`);
  }
  if (!Array.isArray(result?.cases))
    throw new UsageError(`\`${file}\` is no result that \`--format json\` has written`);
  return result;
}

function showKept({ failure, status }: CaseResult): void {
  console.log(`${status}; what it did:`);
  for (const { words, status: end } of failure?.calls ?? [])
    console.log(`  ${words.map(quoted).join(" ")}    # ${end}`);
  for (const { bundle } of failure?.configs ?? []) console.log(`the bundle is kept: ${bundle}`);
}

async function run(options: RunnerOptions): Promise<number> {
  if (process.getuid?.() !== 0) throw new Unusable("the suite makes mounts, cgroups and namespaces: run it as root");
  const make = () => new Worker(options);
  const first = make();
  const { runtime, cases } = await first.ready;
  const clauses = readClauses();
  const chosen = choose(cases, clauses, options);
  if (chosen.length === 0) throw new Unusable("no case is left: see `--list`");
  if (options.list) {
    for (const { id, level } of chosen) console.log(`${level.padEnd(7)} ${id}`);
    await first.end();
    return 0;
  }
  await first.trial();
  const started = new Date();
  const outcomes = new Map<string, Outcome>();
  const possible = chosen.filter(({ lacking }) => lacking === undefined).map(({ id }) => id);
  const progress = new Progress(possible.length, options.format === "pretty" && options.output === undefined);
  await runCases(first, make, possible, options.jobs, (outcome) => {
    outcomes.set(outcome.id, outcome);
    progress.tell(outcome);
  });
  progress.end();
  const result: RunResult = {
    runtime,
    command: options.runtime,
    machine: { kernel: os.release(), architecture: process.arch, cgroup: cgroupVersion() },
    started: started.toISOString(),
    seconds: (Date.now() - started.getTime()) / 1000,
    cases: chosen.map((found) => resultOf(found, outcomes.get(found.id), options)),
    clauses,
  };
  const [kept] = result.cases;
  if (options.keep !== undefined && kept !== undefined) showKept(kept);
  else publish([result], { ...options, files: [] });
  return hasFailedMust(result) ? 1 : 0;
}

try {
  const request = parseRequest(process.argv.slice(2));
  if (request.kind === "help") console.log(HELP);
  else if (request.kind === "version") console.log(version());
  else if (request.kind === "show") publish(request.options.files.map(readResult), request.options);
  else process.exitCode = await run(request.options);
} catch (error) {
  if (!(error instanceof UsageError || error instanceof Unusable)) throw error;
  console.error(`tsrunc-conformance: ${error.message}`);
  process.exit(2);
}
