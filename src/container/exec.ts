/** exec: a further process in a container. */
import * as path from "node:path";
import { TsruncError } from "../errors.ts";
import { compileExec } from "../program/compile-exec.ts";
import { parseList } from "../spec/lists.ts";
import { mark } from "../timing.ts";
import { capabilityWarnings } from "./capability-warnings.ts";
import { type Context, tellContainer } from "./context.ts";
import { execCgroups } from "./exec-cgroups.ts";
import { execProcess } from "./exec-process.ts";
import { readHostFacts } from "./host-facts.ts";
import { loadKeptSpec } from "./kept-spec.ts";
import { launchOptions } from "./launch-options.ts";
import type { ExecOptions } from "./options.ts";
import { maybeAbsolute } from "./paths.ts";
import type { StateRecord } from "./record.ts";
import { compileProfile } from "./seccomp-profile.ts";
import { containerStatus } from "./state.ts";
import { whenCreated } from "./when-created.ts";

/** Exit status of exec where the runtime itself failed; anything else is the process's own. */
const EXEC_FAILED = 255;

/** @throws TsruncError `not-found`, `state`, `config`, `usage`, `unsupported` */
export function execContainer(context: Context, options: ExecOptions): number | Promise<number> {
  const root = path.resolve(context.root);
  return whenCreated(root, options.id, (record) => exec(context, root, record, options));
}

function exec(context: Context, root: string, record: StateRecord, options: ExecOptions): number | Promise<number> {
  checkStatus(context, root, record, options);
  const spec = loadKeptSpec(root, options.id);
  const { target, at, warnings } = execProcess(spec, options);
  const terminal = target.terminal === true;
  checkConsole(terminal, options);
  const facts = readHostFacts(context, { ...spec, process: target });
  for (const warning of [...warnings, ...capabilityWarnings(target, spec, facts, at)]) context.log.warn(warning);
  const affinity = target.execCPUAffinity ?? spec.process?.execCPUAffinity;
  const list = (text: string | undefined) => (text === undefined || text === "" ? undefined : parseList(text));
  mark("read");
  const program = compileExec({
    ...execCgroups(record.cgroup, record.pid, options.cgroups),
    id: options.id,
    bundle: record.bundle,
    spec,
    process: target,
    at,
    pid: record.pid,
    startTime: record.startTime,
    facts,
    resctrl: record.resctrl,
    seccomp: compileProfile(context, spec.linux?.seccomp),
    environment: [],
    noNewKeyring: record.noNewKeyring ?? false,
    detach: options.detach,
    preserveFds: options.preserveFds,
    pidFile: maybeAbsolute(options.pidFile, "flag `--pid-file`"),
    consoleSocket: maybeAbsolute(options.consoleSocket, "flag `--console-socket`"),
    pidfdSocket: maybeAbsolute(options.pidfdSocket, "flag `--pidfd-socket`"),
    affinity: { initial: list(affinity?.initial), final: list(affinity?.final) },
  });
  mark("compile");
  return context.perform(program, launchOptions(context, options.id, EXEC_FAILED));
}

function checkStatus(context: Context, root: string, record: StateRecord, options: ExecOptions): void {
  const { id, ignorePaused } = options;
  const status = containerStatus(root, record);
  tellContainer(context, record, status);
  if (status === "paused" && ignorePaused) return;
  if (status === "paused") {
    throw new TsruncError("state", `cannot exec in a paused container: \`${id}\``, { hint: "use `--ignore-paused`" });
  }
  if (status !== "running" && status !== "created") {
    throw new TsruncError("state", `cannot exec in a ${status} container: container not running: \`${id}\``);
  }
}

function checkConsole(terminal: boolean, options: ExecOptions): void {
  if (terminal && options.detach && options.consoleSocket === undefined) {
    throw new TsruncError("usage", "cannot allocate tty if tsrunc will detach without setting console socket");
  }
  if (options.consoleSocket !== undefined && !(terminal && options.detach)) {
    throw new TsruncError("usage", "cannot use console socket if tsrunc will not detach or allocate tty");
  }
}
