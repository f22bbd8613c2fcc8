/** create and run: from a bundle to a program, and on to tsrunc-init (runtime.md, "Create"). */
import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { planCgroup } from "../cgroups/plan.ts";
import type { CgroupPlan } from "../cgroups/types.ts";
import { TsruncError } from "../errors.ts";
import type { LaunchOptions } from "../init/launch.ts";
import { labelOf } from "../init/report.ts";
import { compileCreate } from "../program/compile.ts";
import { hostMounts } from "../program/compile-rootfs.ts";
import type { CompileInput, HostFacts } from "../program/input.ts";
import type { Program } from "../program/program.ts";
import { planResctrl } from "../resctrl/plan.ts";
import type { ResctrlPlan } from "../resctrl/types.ts";
import { type LoadedSpec, loadSpec } from "../spec/load.ts";
import type { Spec } from "../spec/types.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";
import { removeTree } from "../sys/remove-tree.ts";
import { mark } from "../timing.ts";
import { capabilityWarnings } from "./capability-warnings.ts";
import { cgroupInput } from "./cgroup-input.ts";
import { claimContainer } from "./claim.ts";
import type { Context } from "./context.ts";
import { environment } from "./environment.ts";
import { readHostFacts } from "./host-facts.ts";
import { launchOptions } from "./launch-options.ts";
import type { CreateOptions, RunOptions } from "./options.ts";
import { userName } from "./owner.ts";
import { absolutePath, maybeAbsolute } from "./paths.ts";
import { self } from "./proc.ts";
import type { CreatorRef, StateRecord } from "./record.ts";
import { once } from "./remember.ts";
import { compileProfile } from "./seccomp-profile.ts";
import { afterRemoval, factsAfterRemoval } from "./stale.ts";
import {
  containerDirectory,
  existsDamaged,
  findState,
  isStale,
  STATE_FILE,
  saveState,
  stateTemplate,
} from "./store.ts";

export interface Prepared {
  readonly program: Program;
  readonly loaded: LoadedSpec;
  readonly record: StateRecord;
  readonly bundle: string;
  readonly directory: string;
  readonly stale: StateRecord | undefined;
  readonly warnings: readonly string[];
}

/** Compiles a bundle for a new container; reads the host, changes nothing. `stale`: what is to be taken away before. */
export function prepareCreate(
  context: Context,
  options: CreateOptions,
  mode: CompileInput["mode"],
  run?: RunOptions,
  stale?: StateRecord,
): Prepared {
  const bundle = absolutePath(options.bundle, "flag `--bundle`");
  const directory = containerDirectory(path.resolve(context.root), options.id);
  const loaded = loadSpec(bundle, {}, maybeAbsolute(options.config, "flag `--config`"));
  // Now, since they may be the reason for what fails later.
  for (const warning of loaded.warnings) context.log.warn(warning);
  mark("config.json");
  const { spec } = loaded;
  const facts = factsAfterRemoval(readHostFacts(context, spec), stale);
  mark("host facts");
  const rootfs = resolveRootfs(spec, bundle);
  const terminal = checkTerminal(spec, options, mode);
  const cgroup = planCgroup(cgroupInput(context, options.id, spec, facts), facts.cgroup);
  mark("cgroups");
  const resctrl = resctrlOf(spec, options.id, facts);
  const seccomp = compileProfile(context, spec.linux?.seccomp);
  const mounts = hostMounts(spec, rootfs);
  const record = {
    ...newRecord(options.id, spec, bundle, rootfs, cgroup),
    owner: ownerOf(context),
    ...(options.noNewKeyring ? { noNewKeyring: true } : {}),
    ...(spec.process === undefined ? { noProcess: true } : {}),
    ...(mounts.length === 0 ? {} : { hostMounts: mounts }),
  };
  const creating = {
    ...record,
    ...(resctrl === undefined ? {} : { resctrl: resctrl.creating }),
    creator: creatorOf(context),
  };
  const input = {
    ...compileInput(spec, options, run),
    ...{ spec, bundle, rootfs, facts, cgroup, resctrl, seccomp, mode, consoleSocket: terminal },
    stateDirectory: directory,
    creatingTemplate: stateTemplate(creating),
  };
  mark("seccomp");
  // The labels of what runs after start are kept, so that start can say what failed.
  const first = compileCreate({ ...input, stateTemplate: "" });
  const groups = resctrl === undefined ? {} : { resctrl: resctrl.record };
  const final = stateTemplate({ ...record, ...groups, ...tailOf(first) });
  const program = afterRemoval(replaceState(first, directory, final), path.dirname(directory), stale);
  mark("compile");
  const warnings = [...cgroup.warnings, ...capabilityWarnings(spec.process, spec, facts)];
  if (context.debug) tell(context, options.id, bundle, rootfs, cgroup);
  return { program, loaded, record: creating, bundle, directory, stale, warnings };
}

function tell({ log }: Context, id: string, bundle: string, rootfs: string, { record }: CgroupPlan): void {
  log.debug(`container \`${id}\`: bundle \`${bundle}\`, rootfs \`${rootfs}\``);
  const paths = Object.entries(record.paths).map(([name, at]) => `${name || "unified"} \`${at}\``);
  log.debug(`cgroup ${record.version} by ${record.manager}: ${paths.join(", ") || "none"}`);
}

/** The program with the final state.json, which names ops of the program itself. */
function replaceState(program: Program, directory: string, text: string): Program {
  const at = program.launcher.findLastIndex((op) => op.op === "putFile" && op.path === `${directory}/state.json`);
  return {
    ...program,
    launcher: program.launcher.map((op, i) => (i === at && op.op === "putFile" ? { ...op, text } : op)),
  };
}

function tailOf(program: Program): Pick<StateRecord, "tail"> {
  const at = program.init.findIndex((op) => op.op === "awaitStart");
  if (at < 0) return {};
  const forbidden = program.init.some((op) => op.op === "exec" && op.forbidden);
  return { tail: { first: at, labels: program.init.slice(at).map(labelOf), ...(forbidden ? { forbidden } : {}) } };
}

type FromOptions = Omit<
  CompileInput,
  | "spec"
  | "bundle"
  | "rootfs"
  | "facts"
  | "cgroup"
  | "resctrl"
  | "seccomp"
  | "mode"
  | "stateDirectory"
  | "creatingTemplate"
  | "stateTemplate"
>;

function compileInput(spec: Spec, options: CreateOptions, run: RunOptions | undefined): FromOptions {
  return {
    id: options.id,
    environment: spec.hooks === undefined ? [] : environment(),
    keep: run?.keep ?? false,
    noPivot: options.noPivot,
    noNewKeyring: options.noNewKeyring,
    noSubreaper: run?.noSubreaper ?? false,
    preserveFds: options.preserveFds,
    consoleSocket: undefined,
    pidfdSocket: maybeAbsolute(options.pidfdSocket, "flag `--pidfd-socket`"),
    pidFile: maybeAbsolute(options.pidFile, "flag `--pid-file`"),
    notifySocket: process.env.NOTIFY_SOCKET || undefined,
    listenFds: listenFds(),
  };
}

/** Sockets of systemd's socket activation, which count from 3 too (sd_listen_fds(3)). */
function listenFds(): number {
  const count = Number(process.env.LISTEN_FDS ?? 0);
  const meant = process.env.LISTEN_PID;
  if (meant !== undefined && Number(meant) !== process.pid) return 0;
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function resolveRootfs(spec: Spec, bundle: string): string {
  const given = path.resolve(bundle, spec.root?.path ?? "rootfs");
  let rootfs: string;
  try {
    rootfs = fs.realpathSync(given);
  } catch (error) {
    const errno = errnoOf(error);
    throw new TsruncError("config", `rootfs \`${given}\` cannot be used: ${errnoPhrase(errno)}`, {
      at: "/root/path",
      errno,
    });
  }
  if (!fs.statSync(rootfs).isDirectory()) {
    throw new TsruncError("config", `rootfs \`${given}\` is not a directory (ENOTDIR)`, {
      at: "/root/path",
      errno: "ENOTDIR",
    });
  }
  if (rootfs === "/") throw new TsruncError("config", "rootfs cannot be the host's own root", { at: "/root/path" });
  return rootfs;
}

/** As runc: a detached container needs somebody to hold the other end of its terminal. */
function checkTerminal(spec: Spec, options: CreateOptions, mode: CompileInput["mode"]): string | undefined {
  const terminal = spec.process?.terminal === true;
  const socket = maybeAbsolute(options.consoleSocket, "flag `--console-socket`");
  const detached = mode !== "run";
  if (terminal && detached && socket === undefined) {
    throw new TsruncError("usage", "cannot allocate tty if tsrunc will detach without setting console socket", {
      at: "/process/terminal",
      hint: "pass `--console-socket`, or set `terminal` to false",
    });
  }
  if (socket !== undefined && (!terminal || !detached)) {
    throw new TsruncError("usage", "cannot use console socket if tsrunc will not detach or allocate tty", {
      at: "/process/terminal",
    });
  }
  return socket;
}

function resctrlOf(spec: Spec, id: string, facts: HostFacts): ResctrlPlan | undefined {
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined) return undefined;
  return planResctrl({ rdt, id, mount: facts.resctrl, host: facts.cgroup.host });
}

function ownerOf(context: Context): string {
  const uid = process.getuid?.() ?? 0;
  return once(context, `name of user ${uid}`, () => userName(uid));
}

function creatorOf(context: Context): CreatorRef {
  const creator = once(context, "self", self);
  return context.memory === undefined ? creator : { ...creator, resident: true };
}

function newRecord(
  id: string,
  spec: Spec,
  bundle: string,
  rootfs: string,
  cgroup: CgroupPlan,
): Omit<StateRecord, "owner"> {
  return {
    pid: 0,
    startTime: 0,
    ociVersion: spec.ociVersion,
    id,
    bundle,
    rootfs,
    created: new Date().toISOString(),
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    cgroup: cgroup.record,
  };
}

async function launch(context: Context, prepared: Prepared, options: LaunchOptions): Promise<number> {
  for (const warning of prepared.warnings) context.log.warn(warning);
  const { directory, record, loaded, stale } = prepared;
  claimContainer({ root: path.dirname(directory), record, config: loaded.text, stale });
  mark("state directory");
  try {
    // Hooks run in the bundle's directory, as they do under runc.
    return await context.perform(prepared.program, { ...options, cwd: prepared.bundle });
  } catch (error) {
    // A program that was executed has taken its own things away, and what could not be is still to be deleted.
    const root = path.dirname(directory);
    try {
      if (error instanceof TsruncError && error.code === "op") forgetCreator(root, options.id);
      else removeTree(root, options.id, STATE_FILE);
    } catch {
      // What is wrong has a reason before this one, and `delete --force` knows of what is left.
    }
    throw error;
  }
}

/** This process lives on, but nobody is creating that container any more. */
function forgetCreator(root: string, id: string): void {
  const found = findState(root, id);
  if (found.kind !== "valid" || found.record.creator === undefined) return;
  const { creator, ...record } = found.record;
  saveState(root, record);
}

/** @throws TsruncError `config`, `usage`, `exists`, `unsupported`, `io`; what fails later is told by the reporter */
export function createContainer(context: Context, options: CreateOptions): Promise<number> {
  const stale = refuseExisting(context, options.id);
  const prepared = prepareCreate(context, options, "create", undefined, stale);
  return launch(context, prepared, launchOptions(context, options.id));
}

export function runContainer(context: Context, options: RunOptions): Promise<number> {
  const stale = refuseExisting(context, options.id);
  const prepared = prepareCreate(context, options, options.detach ? "run-detached" : "run", options, stale);
  return launch(context, prepared, launchOptions(context, options.id));
}

/**
 * Before its cgroup is looked at, which of course is in use. Taking the id for good is what claims it.
 *
 * @returns the record of a create that died
 */
function refuseExisting(context: Context, id: string): StateRecord | undefined {
  const root = path.resolve(context.root);
  if (!fs.existsSync(containerDirectory(root, id))) return undefined;
  const found = findState(root, id);
  if (found.kind === "damaged") throw existsDamaged(found.error, id);
  if (found.kind === "absent") return undefined;
  if (isStale(found.record)) return found.record;
  throw new TsruncError("exists", `container with given ID already exists: \`${id}\``);
}
