/** linux.seccomp: loading the filter, and the hand-over of its listener (config-linux.md, "Seccomp"). */
import { TsruncError } from "../errors.ts";
import type { CompiledFilter } from "../seccomp/compile.ts";
import { FLAG_LOG, FLAG_SPEC_ALLOW } from "../seccomp/constants.ts";
import { forbids } from "../seccomp/outcomes.ts";
import { hostPath } from "../spec/paths.ts";
import { stateText } from "./compile-hooks.ts";
import type { CompileInput } from "./input.ts";
import { type Op, type OpOf, PID } from "./ops.ts";
import { EXECVE } from "./own-calls.ts";

const AT = "/linux/seccomp";

/** What both create and exec know. */
export interface SeccompInput extends Pick<CompileInput, "spec" | "id" | "bundle" | "environment" | "seccomp"> {
  /** The container's first process, where the filter is for another one. */
  readonly container?: number;
}

/** When the filter is loaded: compile-process.ts. */
export type LoadOrder = "early" | "last";

/** The hand-over of a listener to the agent, for the launcher. */
export interface ListenerOps {
  /** Before clone. */
  readonly connect: readonly Op[];
  /** While init loads the filter. */
  readonly take: readonly Op[];
  readonly clone: Pick<OpOf<"clone">, "helper" | "agent" | "agentState">;
}

const NO_LISTENER: ListenerOps = {
  connect: [],
  take: [],
  clone: { helper: false, agent: undefined, agentState: undefined },
};

export function loadOp(filter: CompiledFilter, order: LoadOrder): OpOf<"seccomp"> {
  const { instructions, flags, listener } = filter;
  return { op: "seccomp", filter: instructions, flags, listener, last: order === "last", at: AT, what: "seccomp" };
}

/** Whether no program can be executed under it: what then fails is known to fail for this reason. */
export function forbidsExec(filter: CompiledFilter | undefined): boolean {
  return filter !== undefined && forbids(filter, EXECVE);
}

/**
 * A startContainer hook that runs before the filter is loaded has it too: its process loads it for itself. Without the
 * listener, for which there is nobody: what the profile would ask the agent fails with ENOSYS (seccomp_unotify(2)).
 */
export function filteredHook(op: Op, filter: CompiledFilter): Op {
  if (op.op !== "spawn") return op;
  return { ...op, filter: filter.instructions, filterFlags: filter.flags & (FLAG_LOG | FLAG_SPEC_ALLOW) };
}

/** With `resident` the one who waits for `start` gives the listener to the agent: nobody else is there any more. */
export function listenerOps(input: SeccompInput, slot: number, resident: boolean): ListenerOps {
  const { seccomp: filter } = input;
  if (filter?.listener !== true) return NO_LISTENER;
  const path = input.spec.linux?.seccomp?.listenerPath;
  if (path === undefined || path === "") {
    throw new TsruncError("config", "`SCMP_ACT_NOTIFY` needs a `listenerPath`", { at: `${AT}/listenerPath` });
  }
  if (resident) {
    return {
      ...NO_LISTENER,
      clone: { helper: true, agent: hostPath(path), agentState: processState(input, "created") },
    };
  }
  const state = processState(input, input.container === undefined ? "creating" : "running");
  return {
    connect: [{ op: "connect", slot, path: hostPath(path), at: `${AT}/listenerPath`, what: "seccomp agent" }],
    take: [{ op: "seccompListener", slot, state, at: AT, what: "seccomp agent" }],
    clone: { ...NO_LISTENER.clone, helper: true },
  };
}

/** config-linux.md, "The Container Process State": sent along with the listener. */
function processState(input: SeccompInput, status: string): string {
  const { spec, id, bundle, environment, container } = input;
  const metadata = spec.linux?.seccomp?.listenerMetadata;
  const head = { ociVersion: spec.ociVersion, fds: ["seccompFd"], ...(metadata === undefined ? {} : { metadata }) };
  const text = stateText({ spec, id, bundle, environment }, status);
  const state = container === undefined ? text : text.replace(PID, `${container}`);
  return `${JSON.stringify(head).slice(0, -1)},"pid":${PID},"state":${state}}`;
}
