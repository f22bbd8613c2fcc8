/** What is under test and what this host offers. Everything is looked up once, when first asked for. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import path from "node:path";

const CHECKOUT = path.resolve(import.meta.dirname, "../..");

/** The command under test: `RUNTIME`, split at blanks, or the executable of this checkout. */
export const RUNTIME: readonly string[] = (process.env.RUNTIME ?? path.join(CHECKOUT, "dist/tsrunc"))
  .split(/\s+/)
  .filter((word) => word !== "")
  .map((word) => (word.includes("/") && existsSync(word) ? path.resolve(word) : word));

/** Name and version as `--version` prints them, e.g. `runc` and `1.1.5+ds1`. */
export interface Identity {
  readonly name: string;
  readonly version: string;
}

let identity: Identity | undefined;

/** Asks the runtime for its name and version. @throws Error when it cannot be run or does not say. */
export function runtimeIdentity(): Identity {
  if (identity !== undefined) return identity;
  const [command, ...args] = RUNTIME;
  const done = spawnSync(command ?? "", [...args, "--version"], { encoding: "utf8" });
  const match = /^(\S+) version (\S+)/.exec(done.stdout ?? "");
  if (match === null)
    throw new Error(`\`${RUNTIME.join(" ")} --version\` does not work: ${done.error?.message ?? done.stderr}`);
  identity = { name: match[1] ?? "", version: match[2] ?? "" };
  return identity;
}

/** True when the runtime under test is this project's own. */
export function isTsrunc(): boolean {
  return runtimeIdentity().name === "tsrunc";
}

/** Compares dotted versions by their numbers: negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(/[^0-9]+/).map(Number);
  const right = b.split(/[^0-9]+/).map(Number);
  for (let i = 0; i < right.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const CGROUP2_MAGIC = 0x63677270;

/** 2 on a host whose /sys/fs/cgroup is a cgroup2 file system, 1 on v1 and hybrid hosts. */
export function cgroupVersion(): 1 | 2 {
  return statfsSync("/sys/fs/cgroup").type === CGROUP2_MAGIC ? 2 : 1;
}

/** True when the running kernel is at least `major.minor`. */
export function kernelAtLeast(version: string): boolean {
  return compareVersions(readFileSync("/proc/sys/kernel/osrelease", "utf8"), version) >= 0;
}

/** True when this process has the capability with number `bit`: machines differ in what their root may do. */
export function hostHasCapability(bit: number): boolean {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${effective}`) >> BigInt(bit)) % 2n === 1n;
}

/** CAP_SYS_RESOURCE: needed to raise hard limits and to lower oom_score_adj. */
export const CAP_SYS_RESOURCE = 24;
