/** linux.seccomp: loading the filter, and the hand-over of its listener (config-linux.md, "Seccomp"). */
import { TsruncError } from "../errors.ts";
import { hostPath } from "../spec/paths.ts";
import { stateText } from "./compile-hooks.ts";
import type { CompileInput } from "./input.ts";
import { type Op, PID } from "./ops.ts";

export interface SeccompOps {
  /** Launcher, before clone. */
  readonly connect: readonly Op[];
  /** Launcher, while init loads the filter. */
  readonly launcher: readonly Op[];
  readonly init: readonly Op[];
}

const AT = "/linux/seccomp";

/** What both create and exec know. */
export interface SeccompInput extends Pick<CompileInput, "spec" | "id" | "bundle" | "environment" | "seccomp"> {
  /** The container's first process, where the filter is for another one. */
  readonly container?: number;
}

export function compileSeccompOps(input: SeccompInput, slot: number): SeccompOps {
  const { seccomp: filter } = input;
  if (filter === undefined) return { connect: [], launcher: [], init: [] };
  const { instructions, flags, listener } = filter;
  const init: Op[] = [{ op: "seccomp", filter: instructions, flags, listener, at: AT, what: "seccomp" }];
  if (!listener) return { connect: [], launcher: [], init };
  const path = input.spec.linux?.seccomp?.listenerPath;
  if (path === undefined || path === "") {
    throw new TsruncError("config", "`SCMP_ACT_NOTIFY` needs a `listenerPath`", { at: `${AT}/listenerPath` });
  }
  return {
    connect: [{ op: "connect", slot, path: hostPath(path), at: `${AT}/listenerPath`, what: "seccomp agent" }],
    launcher: [{ op: "seccompListener", slot, state: processState(input), at: AT, what: "seccomp agent" }],
    init,
  };
}

/** config-linux.md, "The Container Process State": sent along with the listener. */
function processState(input: SeccompInput): string {
  const { spec, id, bundle, environment, container } = input;
  const metadata = spec.linux?.seccomp?.listenerMetadata;
  const head = { ociVersion: spec.ociVersion, fds: ["seccompFd"], ...(metadata === undefined ? {} : { metadata }) };
  const text = stateText({ spec, id, bundle, environment }, container === undefined ? "creating" : "running");
  const state = container === undefined ? text : text.replace(PID, `${container}`);
  return `${JSON.stringify(head).slice(0, -1)},"pid":${PID},"state":${state}}`;
}
