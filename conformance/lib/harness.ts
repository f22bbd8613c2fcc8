/** `check`: a test with containers of its own that are always cleaned up, and the leak guard around it. */
import { Container } from "./container.ts";
import { knownGap } from "./gaps.ts";
import { isTsrunc } from "./host.ts";
import { findLeaks, removeLeaks, restoreNullDevice, takeSnapshot } from "./leaks.ts";
import type { Lack } from "./needs.ts";
import { type Body, register } from "./registry.ts";
import type { Spec } from "./spec.ts";
import { removeWorkspace } from "./workspace.ts";

const TEST_TIMEOUT_MS = 180_000;

export class Scope {
  readonly #containers: Container[] = [];
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #leaks: () => Promise<readonly string[]>;

  constructor(leaks: () => Promise<readonly string[]>) {
    this.#leaks = leaks;
  }

  /** A new bundle with an id of its own, from the smallest configuration after `patch`. */
  container(patch?: (spec: Spec, container: Container) => void): Container {
    const made = new Container(patch);
    this.#containers.push(made);
    return made;
  }

  /** Has `action` done after the test, last one first, when its containers are gone and before the leak guard looks. */
  cleanup(action: () => void | Promise<void>): void {
    this.#cleanups.unshift(action);
  }

  /** What the test would leave behind if it ended now. */
  async leftNow(): Promise<readonly string[]> {
    return await this.#leaks();
  }

  async dispose(): Promise<void> {
    for (const container of this.#containers) await container.end();
    for (const action of this.#cleanups) await action();
    for (const container of this.#containers) container.removeBundle();
  }
}

/** Runs a case: its containers are cleaned up whatever becomes of it. @throws Error where it fails or leaves something behind */
export async function guarded(body: Body): Promise<void> {
  const before = takeSnapshot();
  const scope = new Scope(() => findLeaks(before));
  let failure: unknown;
  try {
    await body(scope);
  } catch (error) {
    failure = error;
  }
  if (failure !== undefined && process.env.CONFORMANCE_KEEP !== undefined) throw failure;
  try {
    await scope.dispose();
  } catch (error) {
    failure ??= error;
  }
  const leaks = await findLeaks(before);
  if (leaks.length > 0) await removeLeaks(before);
  restoreNullDevice(before);
  if (failure !== undefined) throw failure;
  if (leaks.length > 0) throw new Error(`left behind:\n  ${leaks.join("\n  ")}`);
}

/** Bun's test runner, where a file of cases has been started by it; the suite's own runner needs nothing but Node. */
const bunTest = process.env.CONFORMANCE_RUNNER === undefined ? await import("bun:test") : undefined;

/** To be called once at the top of each file of cases: its working directory goes when it is through. */
export function area(): void {
  bunTest?.afterAll(removeWorkspace);
}

let lacking: Lack;

/** Registers cases that cannot be shown on a machine that lacks something: see needs.ts. */
export function given(lack: Lack, cases: () => void): void {
  const outer = lacking;
  lacking ??= lack;
  cases();
  lacking = outer;
}

interface Options {
  readonly timeoutMs?: number;
  readonly own?: boolean;
}

/** Registers a case. Where a foreign runtime is known to fail it, Bun's test runner expects it to. */
export function check(sentence: string, body: Body, { timeoutMs = TEST_TIMEOUT_MS, own = false }: Options = {}): void {
  if (bunTest === undefined) register({ sentence, body, timeoutMs, lacking, own });
  else if (lacking === undefined) checkInBun(bunTest.test, sentence, body, timeoutMs);
}

function checkInBun(test: typeof import("bun:test").test, sentence: string, body: Body, timeoutMs: number): void {
  const gap = knownGap(sentence);
  if (gap === undefined) test(sentence, async () => await guarded(body), timeoutMs);
  else if (gap.sometimes === true) test.todo(`${sentence} (known gap)`);
  else test.failing(`${sentence} (known gap)`, async () => await guarded(body), timeoutMs);
}

/** Registers a case of something that only tsrunc promises. */
export function checkTsrunc(sentence: string, body: Body): void {
  if (isTsrunc()) check(sentence, body, { own: true });
}
