/** Containers from a program of one's own: what the command line does, with tsrunc-init as a child process. */
import process from "node:process";
import { type Context, defaultRoot, type Logger, resolveRoot } from "./container/context.ts";
import { createContainer, prepareCreate, runContainer } from "./container/create.ts";
import { deleteContainer } from "./container/delete.ts";
import { execContainer } from "./container/exec.ts";
import { killContainer } from "./container/kill.ts";
import { listContainers } from "./container/list.ts";
import type { CreateOptions, ExecOptions, RunOptions } from "./container/options.ts";
import { startContainer } from "./container/start.ts";
import { type OciState, readState } from "./container/state.ts";
import { formatError } from "./errors.ts";
import { type SpawnOptions, spawnProgram } from "./init/spawn.ts";
import type { Program } from "./program/program.ts";

export interface RuntimeOptions {
  /** Directory that holds the state of containers; by default the command line's. */
  readonly root?: string;
  readonly cgroupManager?: Context["cgroupManager"];
  /** Pass over cgroups that cannot be used; by default found out. */
  readonly rootless?: boolean;
  /** Gets warnings; by default they are dropped. */
  readonly log?: Partial<Logger>;
}

type Optional<T, Required extends keyof T> = Partial<T> & Pick<T, Required>;
type CreateInput = Omit<Optional<CreateOptions, "bundle">, "id">;
type RunInput = Omit<Optional<RunOptions, "bundle">, "id">;
type ExecInput = Omit<Partial<ExecOptions>, "id">;

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

/**
 * One state root and the containers in it. Methods throw {@link TsruncError}: `config` with all problems of a
 * config.json, `op` with the JSON pointer of what could not be done, `exists`, `not-found`, `state`, `unsupported`, `io`.
 *
 * @example
 * const runtime = new Runtime();
 * await runtime.create("one", { bundle: "/bundles/one" });
 * await runtime.start("one");
 * await runtime.kill("one", "TERM");
 * await runtime.delete("one", { force: true });
 */
export class Runtime {
  readonly root: string;
  readonly #options: RuntimeOptions;

  constructor(options: RuntimeOptions = {}) {
    this.#options = options;
    this.root = options.root === undefined ? defaultRoot(process.env) : resolveRoot(options.root);
  }

  /** Makes a container, up to the moment before its process runs (runtime.md, "Create"). */
  async create(id: string, options: CreateInput, spawn?: SpawnOptions): Promise<void> {
    await createContainer(this.#context(spawn), { ...CREATE_DEFAULTS, ...options, id });
  }

  /** Lets a created container's process run. Resolves when it does (runtime.md, "Start"). */
  async start(id: string): Promise<void> {
    await startContainer(this.#context(), id);
  }

  /** Creates, starts and waits; then the container is deleted, unless `keep`. @returns the exit status, 128+N for a signal */
  async run(id: string, options: RunInput, spawn?: SpawnOptions): Promise<number> {
    return runContainer(this.#context(spawn), { ...RUN_DEFAULTS, ...options, id });
  }

  /** Runs a further process in a container. @returns its exit status, or 0 at once with `detach` */
  async exec(id: string, options: ExecInput, spawn?: SpawnOptions): Promise<number> {
    return execContainer(this.#context(spawn), { ...EXEC_DEFAULTS, ...options, id });
  }

  /** Sends a signal, by name or number, to a container's first process, or with `all` to every one. */
  async kill(id: string, signal: string | number = "TERM", options: { readonly all?: boolean } = {}): Promise<void> {
    await killContainer(this.#context(), { id, signal: String(signal), all: options.all ?? false });
  }

  /** Removes a stopped container, or with `force` any, also one that does not exist. */
  async delete(id: string, options: { readonly force?: boolean } = {}): Promise<void> {
    await deleteContainer(this.#context(), { id, force: options.force ?? false });
  }

  /** What a container is doing now. */
  state(id: string): OciState {
    return readState(this.root, id);
  }

  /** All containers, sorted by id. */
  list(): readonly OciState[] {
    return listContainers(this.#context());
  }

  /** The program that a bundle compiles to on this host. Touches nothing. */
  plan(id: string, options: CreateInput & { readonly mode?: "create" | "run" }): Program {
    const { mode = "create", ...rest } = options;
    return prepareCreate(this.#context(), { ...CREATE_DEFAULTS, ...rest, id }, mode).program;
  }

  #context(spawn: SpawnOptions = {}): Context {
    const { log, rootless, root } = this.#options;
    const warn = log?.warn?.bind(log) ?? (() => {});
    return {
      root: this.root,
      rootGiven: root !== undefined,
      log: { warn, debug: log?.debug?.bind(log) ?? (() => {}) },
      perform: (program, launch) => {
        return spawnProgram(program, launch, { onWarning: (warning) => warn(formatError(warning)), ...spawn });
      },
      logFormat: "text",
      debug: false,
      cgroupManager: this.#options.cgroupManager ?? "cgroupfs",
      programName: "tsrunc",
      ...(rootless === undefined ? {} : { rootless }),
    };
  }
}
