/** An engine while it runs, and the hooks that start one for a test file and look after it. */
import { afterAll, afterEach, beforeAll, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import path from "node:path";
import { IMAGE } from "./image.ts";
import { killProcessesOfRun, leftByContainers, leftByEngine, removeParentCgroups } from "./leaks.ts";
import { end, type Room } from "./room.ts";
import { describe, type Result, type RunOptions, run, until } from "./run.ts";
import { removeWorkspace, TAG, workspace } from "./workspace.ts";

/** For a test and for what comes around it: an emulated machine takes ten times as long as others. */
const LIMIT_MS = 120_000;

export interface Engine {
  readonly name: string;
  readonly room: Room;
  /** The engine's own command line client with everything that leads it to this engine; `args` follow. */
  readonly client: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What every `run` of this engine needs: no network, and the run's mark. */
  readonly runFlags: readonly string[];
  /** Whether containers get cgroups: an ordinary user has none on cgroup v1. */
  readonly cgroups: boolean;
  /** Directories (from outside) in which the runtime keeps its state under this engine. */
  readonly stateRoots: () => readonly string[];
  /** Whether a cgroup is one of the engine's parents, which it never removes. */
  readonly isParentCgroup: (cgroup: string) => boolean;
  /** Takes away every container there is. */
  readonly removeAll: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Runs the engine's client. */
export async function call(engine: Engine, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return await run([...engine.client, ...args], { env: engine.env ?? process.env, ...options });
}

/** Runs the engine's client, which must succeed; what it printed. */
export async function must(engine: Engine, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await call(engine, args, options);
  if (result.code !== 0) throw new Error(describe([engine.name, ...args], result));
  return result.stdout.trimEnd();
}

/** `run` with the flags of the engine: a container from the image. */
export async function container(
  engine: Engine,
  flags: readonly string[],
  command: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  return await call(engine, ["run", ...engine.runFlags, ...flags, IMAGE, ...command], options);
}

/** A container that runs to its end and must succeed; what it printed. */
export async function output(engine: Engine, flags: readonly string[], ...command: readonly string[]): Promise<string> {
  return await must(engine, ["run", ...engine.runFlags, "--rm", ...flags, IMAGE, ...command]);
}

/** A container in the background; its id. */
export async function background(
  engine: Engine,
  flags: readonly string[],
  ...command: readonly string[]
): Promise<string> {
  return await must(engine, ["run", ...engine.runFlags, "-d", ...flags, IMAGE, ...command]);
}

/** One value out of `inspect`, by a Go template. */
export async function inspect(engine: Engine, id: string, template: string): Promise<string> {
  return await must(engine, ["inspect", "--format", template, id]);
}

/** Starts a daemon inside a room; its output goes to a file in the run's directory. */
export function startDaemon(room: Room, name: string, argv: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const log = openSync(path.join(workspace(), `${name}.log`), "a");
  const [program = "", ...rest] = room.inside(argv);
  return spawn(program, rest, { env: { ...env, ENGINE_TEST: TAG }, stdio: ["ignore", log, log] });
}

/** Waits for a daemon to answer; when it does not, the end of its log says why. */
export async function ready(name: string, daemon: ChildProcess, probe: () => Promise<boolean>): Promise<void> {
  try {
    const answers = async (): Promise<string> => {
      if (daemon.exitCode !== null) return "ended";
      return (await probe()) ? "up" : "";
    };
    await until(`${name} to answer`, answers, LIMIT_MS / 2);
    if (daemon.exitCode !== null) throw new Error(`${name} has ended with status ${daemon.exitCode}`);
  } catch (error) {
    const log = readFileSync(path.join(workspace(), `${name}.log`), "utf8");
    throw new Error(`${(error as Error).message}\n${log.slice(-3000)}`);
  }
}

export async function stopDaemon(daemon: ChildProcess): Promise<void> {
  await end(daemon, 15_000);
}

/** Stops the engine and throws if anything is left. */
async function shutDown(engine: Engine): Promise<void> {
  await engine.stop();
  await engine.room.close();
  const left = [...(await leftByEngine())];
  if (left.length > 0) killProcessesOfRun();
  left.push(...removeParentCgroups().map((cgroup) => `cgroup: ${cgroup}`));
  if (process.env.KEEP_WORKSPACE === undefined) removeWorkspace();
  if (left.length > 0) throw new Error(`left behind by ${engine.name}:\n  ${left.join("\n  ")}`);
}

/**
 * Starts an engine before the tests of a file and stops it after them. After each test all containers are removed and
 * nothing may be left of them: no state, no cgroup, no process.
 */
export function useEngine<E extends Engine>(start: () => Promise<E>): () => E {
  setDefaultTimeout(LIMIT_MS);
  let engine: E | undefined;
  const running = (): E => {
    if (engine === undefined) throw new Error("the engine has not come up");
    return engine;
  };
  beforeAll(async () => {
    try {
      engine = await start();
    } catch (error) {
      killProcessesOfRun();
      removeWorkspace();
      throw error;
    }
  }, LIMIT_MS);
  afterEach(async () => {
    if (engine === undefined) return;
    await engine.removeAll();
    const left = await leftByContainers(engine.stateRoots(), engine.isParentCgroup);
    if (left.length > 0) throw new Error(`left behind:\n  ${left.join("\n  ")}`);
  }, LIMIT_MS);
  afterAll(async () => {
    if (engine !== undefined) await shutDown(engine);
  }, LIMIT_MS);
  return running;
}
