/** Containers from a program of one's own: what the command line does, with tsrunc-init as a child process. */
import process from "node:process";
import { checkArgument, checkOptions, METHOD_OPTIONS, type Options } from "./arguments.ts";
import type { Stats } from "./cgroups/stats-types.ts";
import { type Context, defaultRoot, type Logger, resolveRoot } from "./container/context.ts";
import { createContainer, prepareCreate, runContainer } from "./container/create.ts";
import { deleteContainer } from "./container/delete.ts";
import { type ContainerEvent, containerEvents, containerStats } from "./container/events.ts";
import { execContainer } from "./container/exec.ts";
import { supportedFeatures } from "./container/features.ts";
import { killContainer } from "./container/kill.ts";
import { listContainers } from "./container/list.ts";
import type { CreateOptions, ExecOptions, RunOptions } from "./container/options.ts";
import { pauseContainer, resumeContainer } from "./container/pause.ts";
import { containerProcesses, processTable } from "./container/ps.ts";
import type { Memory } from "./container/remember.ts";
import { startContainer } from "./container/start.ts";
import { type OciState, readState } from "./container/state.ts";
import { loadState } from "./container/store.ts";
import { checkedResources, updateContainer } from "./container/update.ts";
import { formatError, TsruncError } from "./errors.ts";
import type { Perform } from "./init/launch.ts";
import { InitServer, type ServedChild } from "./init/server.ts";
import { executeProgram, type SpawnOptions } from "./init/spawn.ts";
import type { Program } from "./program/program.ts";
import type { Resources } from "./spec/types.ts";
import type { Features } from "./spec/types-features.ts";

export interface RuntimeOptions {
  /** Directory that holds the state of containers; by default the command line's. */
  readonly root?: string;
  /** Who makes cgroups; `cgroupfs` by default. */
  readonly cgroupManager?: Context["cgroupManager"];
  /** Pass over cgroups that cannot be used; by default found out. */
  readonly rootless?: boolean;
  /** Gets warnings; by default they are dropped. */
  readonly log?: Partial<Logger>;
}

type Optional<T, Required extends keyof T> = Partial<T> & Pick<T, Required>;
export type CreateInput = Omit<Optional<CreateOptions, "bundle">, "id">;
export type RunInput = Omit<Optional<RunOptions, "bundle">, "id">;
export type ExecInput = Omit<Partial<ExecOptions>, "id" | "detach">;

/** A process that {@link Runtime.spawn} has started in a container. */
export interface Spawned {
  /** As the host sees it. */
  readonly pid: number;
  /** Exit status, 128+N for signal N; undefined when it ended where this `Runtime` could not see it. */
  readonly exit: Promise<number | undefined>;
}

export interface EventsInput {
  /** Time between two readings of the statistics in milliseconds, 5000 by default. */
  readonly intervalMs?: number;
}

const CREATE_DEFAULTS = { noPivot: false, noNewKeyring: false, preserveFds: 0 } as const;
const RUN_DEFAULTS = { ...CREATE_DEFAULTS, detach: false, keep: false, noSubreaper: true } as const;
const EXEC_DEFAULTS = {
  args: [],
  env: [],
  additionalGids: [],
  caps: [],
  cgroups: [],
  preserveFds: 0,
  ignorePaused: false,
  detach: false,
} as const;
const INTERVAL_MS = 5000;
/** How many servers may be killed while one wait goes on. */
const MAX_SERVERS = 5;

/**
 * One state root and the containers in it, which the command line and other programs may use at the same time. Methods
 * throw {@link TsruncError}: `config` with all problems of a config.json, `op` with the JSON pointer of what could not
 * be done, `exists`, `not-found`, `state`, `usage`, `unsupported`, `io`.
 *
 * The first method that acts starts one process, tsrunc-init, which forks for every further one and is the parent of
 * what it made, so that {@link wait} knows the exit status. It has the rights, limits, namespaces and stdio that this
 * process had then, and goes with it or at {@link close}; containers stay. It does not keep this process from ending.
 *
 * @example
 * const runtime = new Runtime();
 * await runtime.create("one", { bundle: "/bundles/one" });
 * await runtime.start("one");
 * const status = await runtime.wait("one");
 * await runtime.delete("one");
 * await runtime.close(); // or, where the language has it, `await using runtime = new Runtime()`
 */
export class Runtime {
  /** Absolute path of the directory that holds the state of containers. */
  readonly root: string;
  readonly #options: RuntimeOptions;
  /** First processes of containers that were made here, by id. */
  readonly #children = new Map<string, ServedChild>();
  readonly #memory: Memory = new Map();
  #server: InitServer | undefined;
  #serverEuid: number | undefined;

  /** Touches nothing. @throws TsruncError `usage` for the root `/` */
  constructor(options: RuntimeOptions = {}) {
    this.#options = checkOptions("new Runtime", METHOD_OPTIONS.constructor, options);
    const { root } = this.#options;
    this.root = root === undefined ? defaultRoot(process.env) : resolveRoot(root);
  }

  /** Makes a container, up to the moment before its process runs (runtime.md, "Create"). */
  async create(id: string, options: CreateInput, spawn?: SpawnOptions): Promise<void> {
    const checked = checkCall("create", id, METHOD_OPTIONS.create, options, ["bundle"]);
    const context = this.#context(spawn, (child) => this.#children.set(id, child));
    succeeded(await createContainer(context, { ...CREATE_DEFAULTS, ...checked, id }));
  }

  /** Lets a created container's process run. Resolves when it does (runtime.md, "Start"). */
  async start(id: string): Promise<void> {
    checkArgument("start", "id", "text", id);
    succeeded(await startContainer(this.#context(), id));
  }

  /**
   * Creates, starts and waits; then the container is deleted, unless `keep`. With `detach` it resolves, to 0, when the
   * container's process runs.
   *
   * @returns the exit status, 128+N for signal N
   */
  async run(id: string, options: RunInput, spawn?: SpawnOptions): Promise<number> {
    const checked = checkCall("run", id, METHOD_OPTIONS.run, options, ["bundle"]);
    const context = this.#context(spawn, (child) => this.#children.set(id, child));
    return runContainer(context, { ...RUN_DEFAULTS, ...checked, id });
  }

  /** Runs a further process in a container and waits for it. @returns its exit status, 128+N for signal N */
  async exec(id: string, options: ExecInput, spawn?: SpawnOptions): Promise<number> {
    const checked = checkExec("exec", id, options);
    return execContainer(this.#context(spawn), { ...EXEC_DEFAULTS, ...checked, id });
  }

  /** Starts a further process in a container: `exec --detach`. Resolves when it runs. */
  async spawn(id: string, options: ExecInput, spawn?: SpawnOptions): Promise<Spawned> {
    const checked = checkExec("spawn", id, options);
    let made: ServedChild | undefined;
    const context = this.#context(spawn, (child) => {
      made = child;
    });
    succeeded(await execContainer(context, { ...EXEC_DEFAULTS, ...checked, id, detach: true }));
    if (made === undefined) throw new TsruncError("io", "tsrunc-init did not tell the pid of the process");
    return { pid: made.pid, exit: this.#init().hold(made.exit) };
  }

  /**
   * Waits until a container's first process has ended, whoever made it; nothing is asked again and again.
   *
   * @returns the exit status, 128+N for signal N; undefined where the container was not made by this `Runtime`, or
   * since the last {@link close}: the kernel tells it to the parent only
   * @throws TsruncError `not-found`; `io` when the runtime is closed meanwhile
   */
  async wait(id: string): Promise<number | undefined> {
    checkArgument("wait", "id", "text", id);
    const { pid, startTime } = loadState(this.root, id);
    if (pid === 0) throw new TsruncError("state", `cannot wait for a container that is being created: \`${id}\``);
    let server = this.#init();
    const child = this.#children.get(id);
    if (child?.pid === pid && child.startTime === startTime) {
      const status = await server.hold(child.exit);
      if (status !== undefined) return status;
    }
    for (let tries = 0; ; tries++) {
      try {
        await server.hold(server.watch({ pid, startTime }));
        return undefined;
      } catch (error) {
        if (server.closed || tries === MAX_SERVERS) throw error;
        server = this.#init(); // somebody killed the one before
      }
    }
  }

  /** Sends a signal, by name or number, to a container's first process, or with `all` to every one. */
  async kill(id: string, signal: string | number = "TERM", options: { readonly all?: boolean } = {}): Promise<void> {
    const { all = false } = checkCall("kill", id, METHOD_OPTIONS.kill, options);
    checkArgument("kill", "signal", "signal", signal);
    succeeded(await killContainer(this.#context(), { id, signal: String(signal), all }));
  }

  /** Suspends all processes of a container, which takes a freezer cgroup. @throws TsruncError `state` unless it runs */
  async pause(id: string): Promise<void> {
    checkArgument("pause", "id", "text", id);
    succeeded(await pauseContainer(this.#context(), id));
  }

  /** Lets a paused container continue. @throws TsruncError `state` unless it is paused */
  async resume(id: string): Promise<void> {
    checkArgument("resume", "id", "text", id);
    succeeded(await resumeContainer(this.#context(), id));
  }

  /**
   * Changes limits of a created or running container; what is absent stays. All or nothing. Units are those of
   * `linux.resources` (config-linux.md): bytes, microseconds.
   */
  async update(id: string, resources: Resources): Promise<void> {
    checkArgument("update", "id", "text", id);
    checkArgument("update", "resources", "document", resources);
    const context = this.#context();
    succeeded(await updateContainer(context, id, checkedResources(context, resources)));
  }

  /** Removes a stopped container, or with `force` any, also one that does not exist. */
  async delete(id: string, options: { readonly force?: boolean } = {}): Promise<void> {
    const { force = false } = checkCall("delete", id, METHOD_OPTIONS.delete, options);
    succeeded(await deleteContainer(this.#context(), { id, force }));
    this.#children.delete(id);
  }

  /** What a container is doing now: the state of runtime.md, with what runc adds to it. */
  state(id: string): OciState {
    checkArgument("state", "id", "text", id);
    return readState(this.root, id);
  }

  /** All containers, sorted by id. One whose state cannot be read is warned about and left out. */
  list(): readonly OciState[] {
    return listContainers(this.#context());
  }

  /** Pids, as the host sees them, of all processes of a container. @throws TsruncError `unsupported` without a cgroup */
  ps(id: string): readonly number[] {
    checkArgument("ps", "id", "text", id);
    return containerProcesses(this.#context(), id);
  }

  /** What ps(1) with these arguments, by default `-ef`, says about the processes of a container: a table with a header. */
  processTable(id: string, args: readonly string[] = []): string {
    checkArgument("processTable", "id", "text", id);
    checkArgument("processTable", "args", "texts", args);
    return processTable(this.ps(id), args);
  }

  /** One reading of a container's cgroups: bytes, nanoseconds. @throws TsruncError `state` when it is stopped */
  stats(id: string): Stats {
    checkArgument("stats", "id", "text", id);
    return containerStats(this.#context(), id);
  }

  /**
   * Statistics at intervals and an event whenever memory ran out, until the container ends. Errors, such as `state` for
   * a stopped container, are thrown by the first step of the iteration.
   *
   * @example
   * for await (const event of runtime.events("one")) if (event.type === "oom") console.log("out of memory");
   */
  events(id: string, options: EventsInput = {}): AsyncIterableIterator<ContainerEvent> {
    const { intervalMs = INTERVAL_MS } = checkCall("events", id, METHOD_OPTIONS.events, options);
    return containerEvents(this.#context(), { id, intervalMs }, (ref) => this.#init().watch(ref));
  }

  /** What this runtime supports on any host (features.md). */
  features(): Features {
    return supportedFeatures();
  }

  /** The program that a bundle compiles to on this host. Touches nothing. */
  plan(id: string, options: RunInput & { readonly mode?: "create" | "run" | "run-detached" }): Program {
    const { mode = "create", ...rest } = checkCall("plan", id, METHOD_OPTIONS.plan, options, ["bundle"]);
    const all = { ...RUN_DEFAULTS, ...rest, id };
    return prepareCreate(this.#context(), all, mode, mode === "create" ? undefined : all).program;
  }

  /**
   * Lets what has been asked for finish and ends the process that the first method started; what waits for containers
   * rejects with `io`. A method that is called later starts a new one, with the rights that this process has by then.
   */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#children.clear();
    await server?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** With the rights that this process has now. */
  #init(): InitServer {
    const euid = process.geteuid?.();
    if (this.#server?.alive === true && this.#serverEuid === euid) return this.#server;
    this.#server?.close().catch(() => {});
    this.#serverEuid = euid;
    this.#server = new InitServer();
    return this.#server;
  }

  #context(spawn: SpawnOptions = {}, made?: (child: ServedChild) => void): Context {
    const { log, rootless, root } = this.#options;
    const warn = log?.warn?.bind(log) ?? (() => {});
    const checked = checkOptions("spawn options", METHOD_OPTIONS.spawnOptions, spawn);
    const options = { onWarning: (warning: TsruncError) => warn(formatError(warning)), ...checked };
    const perform: Perform = async (program, launch) => {
      const { status, child } = await executeProgram(this.#init(), program, launch, options);
      if (child !== undefined) made?.(child);
      return status;
    };
    return {
      root: this.root,
      rootGiven: root !== undefined,
      log: { warn, debug: log?.debug?.bind(log) ?? (() => {}) },
      perform,
      logFormat: "text",
      debug: false,
      cgroupManager: this.#options.cgroupManager ?? "cgroupfs",
      programName: "tsrunc",
      memory: this.#memory,
      ...(rootless === undefined ? {} : { rootless }),
    };
  }
}

/** Of a verb that has nothing but success to tell: tsrunc-init says why it fails, or is not the one of this library. */
function succeeded(status: number): void {
  if (status !== 0) throw new TsruncError("io", `tsrunc-init ended with status ${status}`);
}

/** The id and the options of a method. @throws TsruncError `usage` */
function checkCall<T extends object>(
  method: string,
  id: unknown,
  known: Options,
  options: T | undefined,
  required: readonly (keyof T & string)[] = [],
): T {
  checkArgument(method, "id", "text", id);
  return checkOptions(method, known, options, required);
}

function checkExec(method: "exec" | "spawn", id: unknown, options: ExecInput): ExecInput {
  const checked = checkCall(method, id, METHOD_OPTIONS.exec, options);
  if ((checked.args ?? []).length > 0 || checked.process !== undefined) return checked;
  throw new TsruncError("usage", `\`${method}\`: option \`args\`: expected a program, found none`, {
    hint: "or give a `process`",
  });
}
