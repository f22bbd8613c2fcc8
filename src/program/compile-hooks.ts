/** Hooks (config.md, "POSIX-platform Hooks"). */
import { hostPath } from "../spec/paths.ts";
import type { Hook, HookName, Spec } from "../spec/types.ts";
import { environmentOf } from "./compile-process.ts";
import { literal, type Op, PID } from "./ops.ts";

type SpawnOp = Extract<Op, { op: "spawn" }>;

export interface HookInput {
  readonly spec: Spec;
  readonly id: string;
  readonly bundle: string;
  /** What hooks without `env` inherit. */
  readonly environment: readonly string[];
}

/** The state that hooks read on stdin; the pid is known only when they run. */
export function stateText(input: HookInput, status: string): string {
  const { spec, id, bundle } = input;
  const annotations = spec.annotations === undefined ? {} : { annotations: spec.annotations };
  const state = { ociVersion: spec.ociVersion, id, status, pid: 0, bundle, ...annotations };
  const text = JSON.stringify(state);
  if (status === "stopped") return text;
  // JSON escapes control characters, and the keys before this one hold no quotes of their own
  const marker = `"status":"${status}","pid":`;
  const at = text.indexOf(`${marker}0`) + marker.length;
  return `${text.slice(0, at)}${PID}${text.slice(at + 1)}`;
}

/** The hooks of one kind, in order. A hook that fails ends the container's life, but for those of poststop. */
export function compileHooks(input: HookInput, name: HookName, status: string): Op[] {
  const hooks = input.spec.hooks?.[name] ?? [];
  if (hooks.length === 0) return [];
  const state = stateText(input, status);
  const { process } = input.spec;
  // As runc: in the container, where others may look at it, the environment is never the caller's.
  const environment = !IN_CONTAINER.includes(name)
    ? input.environment
    : process === undefined
      ? []
      : environmentOf(process);
  const umask = (name === "startContainer" ? process?.user.umask : undefined) ?? DEFAULT_UMASK;
  return hooks.map((hook, i) => ({ ...hookOp(hook, name, i, state, environment), umask }));
}

/** Hooks that are executed in the container's namespaces. */
const IN_CONTAINER: readonly HookName[] = ["createContainer", "startContainer"];
const DEFAULT_UMASK = 0o022;

function hookOp(hook: Hook, name: HookName, i: number, state: string, environment: readonly string[]): SpawnOp {
  return {
    op: "spawn",
    umask: DEFAULT_UMASK,
    path: hostPath(hook.path),
    argv: (hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args).map(literal),
    env: hook.env ?? environment,
    // The home is known only when the process has its identity.
    home: name === "startContainer" && hook.env === undefined,
    input: state,
    timeoutMs: (hook.timeout ?? 0) * 1000,
    warn: name === "poststop",
    filter: new Uint8Array(0),
    filterFlags: 0,
    at: `/hooks/${name}/${i}`,
    what: `${name} hook #${i}: ${hook.path}`,
  };
}
