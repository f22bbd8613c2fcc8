/** The attacker of observer.c in a container of its own, and what it was after. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { Container } from "../../../conformance/lib/container.ts";
import type { Scope } from "../../../conformance/lib/harness.ts";
import { type Result, type RunOptions, runtime, until } from "../../../conformance/lib/runtime.ts";
import { grant, type Spec } from "../../../conformance/lib/spec.ts";
import { workspace } from "../../../conformance/lib/workspace.ts";
import { capabilityNames } from "../../../src/spec/capabilities.ts";

/** How often each attack is tried; CI has a few, a long run 1,000. */
export const ROUNDS = Number(process.env.SECURITY_ROUNDS ?? 3);

/** What attackers there are: the capabilities that their container has beside the usual ones. */
export const ATTACKERS = {
  "the usual capabilities": [],
  CAP_SYS_PTRACE: ["CAP_SYS_PTRACE"],
  "all capabilities": capabilityNames(),
} as const;
export type Attacker = keyof typeof ATTACKERS;

/** Found, but no hole: the channel to the launcher, which is believed nothing of weight, where `start` is awaited, and what a hook reads. */
const HARMLESS = new Set(["socket", "pipe", "of a hook"]);

let built: string | undefined;

function program(): string {
  if (built !== undefined && existsSync(built)) return built; // each file of tests has a directory of its own
  const target = path.join(workspace(), "observer");
  const triple = execFileSync("cc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  const headers = ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
  const [compiler, more] = existsSync("/usr/bin/musl-gcc") ? ["musl-gcc", headers] : ["cc", []];
  const source = path.join(import.meta.dirname, "../observer.c");
  execFileSync(compiler as string, [
    "-std=gnu11",
    "-O2",
    "-static",
    "-Wall",
    "-o",
    target,
    source,
    ...(more as string[]),
  ]);
  built = target;
  return target;
}

export interface Finding {
  readonly kind: string;
  readonly times: number;
  readonly detail: string;
}

export interface Findings {
  readonly holes: readonly Finding[];
  readonly harmless: readonly Finding[];
  readonly processes: number;
  readonly looks: number;
  readonly traced: number;
}

export function readFindings(output: string): Findings {
  const found = [...output.matchAll(/^found (.+?) (\d+) (.*)$/gm)].map(
    ([, kind, times, detail]): Finding => ({ kind: kind ?? "", times: Number(times), detail: detail ?? "" }),
  );
  const [, processes, looks, traced] = output.match(/^done (\d+) (\d+) (\d+)$/m) ?? [];
  if (traced === undefined) throw new Error(`the observer did not come to its end: ${output}`);
  return {
    holes: found.filter(({ kind }) => !HARMLESS.has(kind)),
    harmless: found.filter(({ kind }) => HARMLESS.has(kind)),
    processes: Number(processes),
    looks: Number(looks),
    traced: Number(traced),
  };
}

/** A host with a secret file, an environment that nobody is to see, and a state directory on a file system of its own. */
export class Host {
  readonly canary = `canary-${process.pid}-${Math.random().toString(36).slice(2)}`;
  readonly stateRoot = mkdtempSync("/dev/shm/tsrunc-security-");
  readonly secret = path.join(this.stateRoot, "secret");
  readonly #handle: string;

  constructor(t: Scope) {
    t.cleanup(() => rmSync(this.stateRoot, { recursive: true, force: true }));
    writeFileSync(this.secret, "the host's", { mode: 0o600 });
    this.#handle = execFileSync(program(), ["handle", this.secret], { encoding: "utf8" });
  }

  /** Calls tsrunc as an engine does whose environment has a secret. */
  async call(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const global = ["--root", this.stateRoot];
    return await runtime(args, { global, ...options, env: { ENGINE_SECRET: this.canary, ...options.env } });
  }

  async must(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const result = await this.call(args, options);
    if (result.code !== 0) throw new Error(`${args.join(" ")}: ${result.code ?? result.signal}: ${result.stderr}`);
    return result;
  }

  async pid(id: string): Promise<number> {
    return (JSON.parse((await this.must(["state", id])).stdout) as { pid: number }).pid;
  }

  /** The observer's words for what it may see of a target with that configuration. */
  words(mode: "watch" | "look", target: Spec, types: readonly string[]): string[] {
    const all = capabilityNames();
    const has = new Set(Object.values(target.process.capabilities ?? {}).flat());
    const mask = all.reduce((sum, name, i) => (has.has(name) ? sum | (1n << BigInt(i)) : sum), 0n);
    const { uid, gid, additionalGids = [] } = target.process.user;
    return [
      ...["/bin/observer", mode, `capabilities=${mask.toString(16)}`, `uids=${uid}`],
      `groups=${[gid, ...additionalGids].join(",")}`,
      ...[`secret=${this.secret}`, `pid=${process.pid}`, `canary=${this.canary}`, `mark=${path.dirname(this.secret)}`],
      `namespaces=${types.map((type) => readlinkSync(`/proc/self/ns/${type}`)).join(",")}`,
      `handle=${this.#handle}`,
    ];
  }
}

export const OWN_NAMESPACES: readonly string[] = ["mnt", "pid", "ipc", "uts", "net", "cgroup"];

/** Puts the observer into a container's root file system. */
export function plant(c: Container): void {
  mkdirSync(c.inside("bin"), { recursive: true });
  copyFileSync(program(), c.inside("bin/observer"));
}

/** A container in which the observer watches, as its first process. */
export class Watch {
  readonly host: Host;
  readonly container: Container;

  private constructor(host: Host, container: Container) {
    this.host = host;
    this.container = container;
  }

  static async begin(
    t: Scope,
    attacker: Attacker,
    target: Spec,
    patch?: (spec: Spec, container: Container) => void,
    types = OWN_NAMESPACES,
  ): Promise<Watch> {
    const host = new Host(t);
    const c = t.container((spec, self) => {
      grant(spec, ...ATTACKERS[attacker]);
      plant(self);
      spec.process.args = host.words("watch", target, types);
      patch?.(spec, self);
    });
    c.save();
    t.cleanup(async () => {
      await host.call(["delete", "--force", c.id]);
    });
    await host.must(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
    await host.must(["start", c.id]);
    await c.waitForOutput("ready");
    return new Watch(host, c);
  }

  async end(): Promise<Findings> {
    await this.host.must(["kill", this.container.id, "TERM"]);
    await until("the observer's report", () => this.container.output().includes("\ndone "));
    return readFindings(this.container.output());
  }
}
