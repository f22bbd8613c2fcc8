/** `check`: a test with containers of its own that are always cleaned up, and the leak guard around it. */
import { afterAll, test } from "bun:test";
import { Container } from "./container.ts";
import { knownGap } from "./gaps.ts";
import { isTsrunc } from "./host.ts";
import { findLeaks, removeLeaks, restoreNullDevice, takeSnapshot } from "./leaks.ts";
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

async function guarded(body: (scope: Scope) => void | Promise<void>): Promise<void> {
  const before = takeSnapshot();
  const scope = new Scope(() => findLeaks(before));
  let failure: unknown;
  try {
    await body(scope);
  } catch (error) {
    failure = error;
  }
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

/** To be called once at the top of each test file: its working directory goes when it is through. */
export function area(): void {
  afterAll(removeWorkspace);
}

/** Registers a test. Where a foreign runtime is known to fail it, it is expected to fail. */
export function check(
  sentence: string,
  body: (scope: Scope) => void | Promise<void>,
  timeoutMs = TEST_TIMEOUT_MS,
): void {
  const gap = knownGap(sentence);
  if (gap === undefined) test(sentence, async () => await guarded(body), timeoutMs);
  else if (gap.sometimes === true) test.todo(`${sentence} (known gap)`);
  else test.failing(`${sentence} (known gap)`, async () => await guarded(body), timeoutMs);
}

/** Registers a test of something that only tsrunc promises. */
export function checkTsrunc(sentence: string, body: (scope: Scope) => void | Promise<void>): void {
  if (isTsrunc()) check(sentence, body);
}
