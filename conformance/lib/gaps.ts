/**
 * Tests that released versions of foreign runtimes are known to fail, with the reason. Such a test is expected to fail:
 * when it passes, the run fails, so that the table stays true. There are never rows for tsrunc.
 */
import { compareVersions, runtimeIdentity } from "./host.ts";

export interface Gap {
  readonly runtime: "runc" | "crun";
  /** First version that has it; absent when no release known to us does. */
  readonly fixedIn?: string;
  /** The failure is a race: the test is run, but may end either way. */
  readonly sometimes?: true;
  readonly why: string;
  /** Sentences of the tests, or their beginning followed by `*`. */
  readonly tests: readonly string[];
}

const GAPS: readonly Gap[] = [];

/** The row that says why `test` fails with the runtime under test, if there is one. */
export function knownGap(test: string): Gap | undefined {
  const { name, version } = runtimeIdentity();
  return GAPS.find(
    (gap) =>
      gap.runtime === name &&
      (gap.fixedIn === undefined || compareVersions(version, gap.fixedIn) < 0) &&
      gap.tests.some((pattern) => (pattern.endsWith("*") ? test.startsWith(pattern.slice(0, -1)) : test === pattern)),
  );
}
