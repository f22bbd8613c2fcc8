/**
 * Tests that released versions of foreign runtimes are known to fail, with the reason. Such a test is expected to fail:
 * when it passes, the run fails, so that the table stays true. There are never rows for tsrunc.
 */
import { CRUN_GAPS } from "./gaps-crun.ts";
import { RUNC_GAPS } from "./gaps-runc.ts";
import { cgroupVersion, compareVersions, runtimeIdentity } from "./host.ts";

export interface Gap {
  /** First version that has it; absent when no release known to us does. */
  readonly fixedIn?: string;
  /** Only on hosts with this cgroup version. */
  readonly cgroup?: 1 | 2;
  /** The failure is a race, so that it cannot be expected: the test is listed as one to do. */
  readonly sometimes?: true;
  readonly why: string;
  /** Sentences of the tests, or their beginning followed by `*`. */
  readonly tests: readonly string[];
}

const GAPS: Readonly<Record<string, readonly Gap[]>> = { runc: RUNC_GAPS, crun: CRUN_GAPS };

/** The row that says why `test` fails with the runtime under test, if there is one. */
export function knownGap(test: string): Gap | undefined {
  const { name, version } = runtimeIdentity();
  return GAPS[name]?.find(
    (gap) =>
      (gap.cgroup === undefined || gap.cgroup === cgroupVersion()) &&
      (gap.fixedIn === undefined || compareVersions(version, gap.fixedIn) < 0) &&
      gap.tests.some((pattern) => (pattern.endsWith("*") ? test.startsWith(pattern.slice(0, -1)) : test === pattern)),
  );
}
