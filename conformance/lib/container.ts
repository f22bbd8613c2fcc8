/** One container and its bundle. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ProbeResult } from "./probe.ts";
import { type Result, type Running, type RunOptions, runtime, startRuntime, until } from "./runtime.ts";
import { baseSpec, type Spec } from "./spec.ts";
import { traceConfig } from "./trace.ts";
import { makeRootfs, stateRoot, TAG, workspace } from "./workspace.ts";

export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface CallOptions extends RunOptions {
  /** Flags of the verb. */
  readonly flags?: readonly string[];
}

let count = 0;

/** Thrown when a call that a test relies on fails. */
function insist(what: string, result: Result): Result {
  if (result.code === 0) return result;
  throw new Error(
    `${what}: exit status ${result.code ?? result.signal}: ${result.stderr.trim()} ${result.stdout.slice(0, 300)}`,
  );
}

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly spec: Spec = baseSpec();
  readonly outputFile: string;
  /** True while the runtime is expected to know the id. */
  known = false;

  constructor(patch?: (spec: Spec, container: Container) => void) {
    this.id = `${TAG}-${++count}`;
    this.bundle = path.join(workspace(), `bundle-${count}`);
    this.rootfs = path.join(this.bundle, "rootfs");
    this.outputFile = path.join(this.bundle, "output");
    mkdirSync(this.bundle, { mode: 0o755 });
    makeRootfs(this.rootfs);
    patch?.(this.spec, this);
  }

  /** Host path of `name` in the bundle. */
  file(name: string): string {
    return path.join(this.bundle, name);
  }

  /** Host path of something in the root file system. */
  inside(name: string): string {
    return path.join(this.rootfs, name);
  }

  /** Writes config.json as `spec` is now. @throws Error when a cgroup would be made that does not bear the run's mark */
  save(): void {
    const { cgroupsPath } = this.spec.linux;
    if (typeof cgroupsPath === "string" && cgroupsPath !== "" && !cgroupsPath.includes(TAG))
      throw new Error(`cgroupsPath \`${cgroupsPath}\` lacks the mark of the run, \`${TAG}\``);
    traceConfig(this.bundle, this.spec);
    writeFileSync(this.file("config.json"), JSON.stringify(this.spec, null, 1));
  }

  /** Foreground `run`; the container is gone afterwards. */
  async run(options: CallOptions = {}): Promise<Result> {
    return await this.startRun(options).result;
  }

  /** Foreground `run`, still under way. */
  startRun(options: CallOptions = {}): Running {
    this.save();
    return startRuntime(["run", "--bundle", this.bundle, ...(options.flags ?? []), this.id], options);
  }

  /** Runs the probe with `operations` in the foreground. @throws Error when that does not succeed. */
  async probe(...operations: string[]): Promise<ProbeResult> {
    return await this.probeWith({}, ...operations);
  }

  async probeWith(options: CallOptions, ...operations: string[]): Promise<ProbeResult> {
    this.spec.process.args = ["/bin/probe", ...operations];
    const result = insist("run", await this.run(options));
    return new ProbeResult(result.stdout);
  }

  async tryCreate(options: CallOptions = {}): Promise<Result> {
    this.save();
    const result = await runtime(["create", "--bundle", this.bundle, ...(options.flags ?? []), this.id], {
      stdout: this.outputFile,
      ...options,
    });
    if (result.code === 0) this.known = true;
    return result;
  }

  async create(options: CallOptions = {}): Promise<void> {
    insist("create", await this.tryCreate(options));
  }

  async start(): Promise<void> {
    insist("start", await this.verb("start"));
  }

  /** Create and start with `probe wait`, until it is ready for signals. */
  async up(options: CallOptions = {}): Promise<void> {
    this.spec.process.args = ["/bin/probe", "wait"];
    await this.create(options);
    await this.start();
    await this.waitForOutput("ready");
  }

  /** Any verb on this container. */
  async verb(verb: string, ...rest: string[]): Promise<Result> {
    const result = await runtime([
      verb,
      ...rest.filter((word) => word.startsWith("--")),
      this.id,
      ...rest.filter((word) => !word.startsWith("--")),
    ]);
    if (verb === "delete" && result.code === 0) this.known = false;
    return result;
  }

  async state(): Promise<State> {
    return JSON.parse(insist("state", await this.verb("state")).stdout) as State;
  }

  async pid(): Promise<number> {
    return (await this.state()).pid;
  }

  /** Sends a signal and insists that it was accepted. */
  async kill(signal: string): Promise<void> {
    insist("kill", await this.verb("kill", signal));
  }

  async delete(...flags: string[]): Promise<void> {
    insist("delete", await this.verb("delete", ...flags));
  }

  /** Waits until `state` says `status`. */
  async waitForStatus(status: string): Promise<void> {
    let seen = "";
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
      seen = (await this.state()).status;
      if (seen === status) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`status is \`${seen}\`, not \`${status}\``);
  }

  /** What the container of a create has printed so far. */
  output(): string {
    return existsSync(this.outputFile) ? readFileSync(this.outputFile, "utf8") : "";
  }

  async waitForOutput(text: string): Promise<string> {
    return await until(`${JSON.stringify(text)} in the output`, () =>
      this.output().includes(text) ? this.output() : undefined,
    );
  }

  /** The probe's result from the output of a created and started container. */
  async outputAsProbe(): Promise<ProbeResult> {
    return new ProbeResult(await this.waitForOutput("}\n"));
  }

  /** KILL, wait, delete. */
  async down(): Promise<void> {
    await this.verb("kill", "KILL");
    await this.waitForStatus("stopped");
    await this.delete();
  }

  /** For cleaning up after a test: whatever state the container is in. */
  async end(): Promise<void> {
    if (this.known) await this.verb("delete", "--force");
  }

  removeBundle(): void {
    rmSync(this.bundle, { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await this.end();
    this.removeBundle();
  }

  /** Directory of this container's state. */
  get stateDirectory(): string {
    return path.join(stateRoot(), this.id);
  }
}
