/** What all series work with: runtimes, bundles and the launcher, and the checks of every sample. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { type Bundle, Bundles } from "./bundle.ts";
import { Cgroups } from "./cgroups.ts";
import { type Answer, Launcher, type Step } from "./launcher.ts";
import { CHECKOUT, call, findRuntimes, type Runtime } from "./runtimes.ts";

const UNIFIED = "/sys/fs/cgroup/unified";

export class Bench {
  readonly runtimes: readonly Runtime[];
  readonly cgroups: Cgroups;
  readonly bundles: Bundles;
  readonly launcher: Launcher;
  /** Directory of the static programs. */
  readonly programs = path.join(CHECKOUT, "dist/bench");
  readonly #directory: string;
  readonly #mounts: readonly string[];
  #open = true;

  constructor(asked: ReadonlyMap<string, string>) {
    hideHybrid();
    this.#directory = mkdtempSync(path.join(tmpdir(), "tsrunc-bench-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "tsrunc-bench", this.#directory]);
    this.#mounts = mounts();
    try {
      this.cgroups = new Cgroups(path.basename(this.#directory));
      this.bundles = new Bundles(path.join(this.#directory, "bundles"), this.programs, this.cgroups.path);
      this.runtimes = findRuntimes(asked, path.join(this.#directory, "states"));
      this.launcher = new Launcher(path.join(this.programs, "launcher"), path.join(this.#directory, "log"));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A path for a file of a series. */
  file(name: string): string {
    return path.join(this.#directory, name);
  }

  /**
   * Performs steps that must all succeed and after which none of the bundles' containers may be left.
   *
   * @throws Error with what was printed
   */
  async measure(runtime: Runtime | undefined, bundles: readonly Bundle[], steps: readonly Step[]): Promise<Answer> {
    const answer = await this.perform(steps);
    for (const bundle of bundles) this.checkGone(runtime, bundle);
    return answer;
  }

  /** Performs steps that must all succeed. @throws Error with what was printed */
  async perform(steps: readonly Step[]): Promise<Answer> {
    const answer = await this.launcher.perform(steps);
    const bad = answer.steps.findIndex(({ commands }) => commands.some(({ status }) => status !== 0));
    if (bad < 0 && answer.steps.length === steps.length) return answer;
    const status = answer.steps[bad]?.commands.find((command) => command.status !== 0)?.status;
    throw new Error(`${describe(steps[bad])}: status ${status}: ${answer.output.trim() || "nothing was printed"}`);
  }

  /** @throws Error when the runtime's state or a cgroup of the container is still there */
  checkGone(runtime: Runtime | undefined, { id }: Bundle): void {
    const paths = runtime === undefined ? [] : [path.join(runtime.root, id)];
    const left = [...paths, ...this.cgroups.of(id)].filter((file) => existsSync(file));
    if (left.length > 0) throw new Error(`${runtime?.name ?? ""} has left \`${left.join("`, `")}\``);
  }

  /** Removes what failed or interrupted containers have left. */
  clear(): void {
    for (const runtime of this.runtimes) {
      for (const id of readdirSync(runtime.root).filter((name) => /^[a-z0-9-]+$/.test(name))) {
        const [program = "", ...args] = call(runtime, "delete", "--force", id);
        spawnSync(program, args, { stdio: "ignore", timeout: 10_000 });
      }
    }
    this.cgroups.clear();
  }

  /** What runtimes have left behind although all of their calls succeeded. */
  left(): readonly string[] {
    // A mount can also go by itself, when its directory is removed outside.
    return [...this.cgroups.left(), ...mounts().filter((line) => !this.#mounts.includes(line))];
  }

  /** Ends what is running and removes everything. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    // These are not there where making them has failed.
    this.launcher?.close();
    if (this.runtimes !== undefined) this.clear();
    this.cgroups?.remove();
    execFileSync("umount", ["--lazy", this.#directory]);
    rmdirSync(this.#directory);
  }
}

/** @throws Error where the mount namespace is the machine's: see scripts/bench.sh */
export function checkPrivate(): void {
  const outside = process.env.BENCH_OUTSIDE;
  if (outside !== undefined && outside !== readlinkSync("/proc/self/ns/mnt")) return;
  throw new Error("this wants a mount namespace of its own: start it by `npm run bench`");
}

/**
 * crun 1.8 does not run on hybrid hosts whose cgroup2 mount has controllers. Without that mount it leaves
 * directories in the place, hence the tmpfs.
 */
function hideHybrid(): void {
  if (spawnSync("mountpoint", ["-q", UNIFIED]).status !== 0) return;
  execFileSync("umount", [UNIFIED]);
  execFileSync("mount", ["-t", "tmpfs", "tsrunc-bench", UNIFIED]);
}

function mounts(): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n");
}

function describe(step: Step | undefined): string {
  if (step === undefined) return "a step is missing";
  return "waitFor" in step ? "wait for the container" : `\`${step.run[0]?.join(" ")}\``;
}
