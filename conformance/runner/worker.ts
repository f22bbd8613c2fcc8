/** A worker: registers all cases, and runs those that it is told to, one after another. */
import { readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fragment } from "../lib/fragment.ts";
import { knownGap } from "../lib/gaps.ts";
import { guarded } from "../lib/harness.ts";
import { runtimeIdentity } from "../lib/host.ts";
import { beginFile, type Case, registeredCases } from "../lib/registry.ts";
import { beginTrace, currentTrace } from "../lib/trace.ts";
import { removeWorkspace } from "../lib/workspace.ts";
import type { CaseInfo, Failure, FromWorker, Outcome, ToWorker } from "./messages.ts";

const TRIAL_MS = 60_000;
const CASES = path.resolve(import.meta.dirname, "..");

function say(message: FromWorker): void {
  process.send?.(message);
}

async function registerAll(): Promise<void> {
  const files = readdirSync(CASES).filter((file) => /\.test\.[jt]s$/.test(file));
  for (const file of files.toSorted()) {
    beginFile(file.replace(/\.test\.[jt]s$/, ""));
    await import(path.join(CASES, file));
  }
}

function infoOf({ id, file, sentence, lacking, own }: Case): CaseInfo {
  const gap = knownGap(sentence)?.why;
  return {
    id,
    file,
    sentence,
    own,
    ...(lacking === undefined ? {} : { lacking }),
    ...(gap === undefined ? {} : { gap }),
  };
}

// Colours of the library's differences.
const withoutColours = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, "");

function failureOf(error: unknown): Failure {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  const [first = "", ...rest] = withoutColours(message).split("\n");
  const place = /\(?(?:file:\/\/)?([^\s()]*\.test\.[jt]s:\d+:\d+)/.exec(stack)?.[1] ?? "";
  const trace = currentTrace();
  return {
    message: first,
    detail: rest.join("\n").trim(),
    place: path.relative(CASES, place),
    calls: trace.calls.map(({ words, status = "still running" }) => ({ words, status })),
    configs: [...trace.configs].map(([bundle, spec]) => ({ bundle, fragment: fragment(spec) })),
  };
}

class Timeout extends Error {}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Timeout(`did not end within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function run(found: Case): Promise<Outcome> {
  beginTrace();
  const start = performance.now();
  try {
    await within(found.timeoutMs, guarded(found.body));
    return { id: found.id, milliseconds: performance.now() - start };
  } catch (error) {
    return { id: found.id, milliseconds: performance.now() - start, failure: failureOf(error) };
  }
}

/** @throws Error with what the runtime says where it cannot run anything */
async function trial(): Promise<void> {
  await within(
    TRIAL_MS,
    guarded(async (t) => void (await t.container().probe("report"))),
  );
}

async function answer(message: ToWorker, cases: ReadonlyMap<string, Case>): Promise<void> {
  if (message.kind === "end") {
    if (process.env.CONFORMANCE_KEEP === undefined) removeWorkspace();
    process.disconnect();
  } else if (message.kind === "trial") {
    await trial();
    say({ kind: "works" });
  } else {
    const found = cases.get(message.id);
    if (found !== undefined) say({ kind: "outcome", outcome: await run(found) });
  }
}

function giveUp(error: unknown): void {
  say({ kind: "unusable", reason: error instanceof Error ? error.message : String(error) });
  process.disconnect();
}

async function main(): Promise<void> {
  const runtime = runtimeIdentity();
  await registerAll();
  const cases = new Map(registeredCases().map((found) => [found.id, found]));
  process.on("message", (message: ToWorker) => {
    answer(message, cases).catch(giveUp);
  });
  say({ kind: "ready", runtime, cases: [...cases.values()].map(infoOf) });
}

await main().catch(giveUp);
