/**
 * The library: what the command line does, as a typed API for Node ≥ 20 and Bun.
 *
 * @module
 */

export { type CgroupFacts, readCgroupFacts, type Stats, stringifyStats } from "./cgroups/index.ts";
export type { Context, Logger } from "./container/context.ts";
export { defaultRoot } from "./container/context.ts";
export type { ContainerEvent } from "./container/events.ts";
export { supportedFeatures } from "./container/features.ts";
export { listContainers } from "./container/list.ts";
export { hostArch, readSeccompProfile, readSeccompSource } from "./container/seccomp-source.ts";
export type { OciState, Status } from "./container/state.ts";
export { type ErrorCode, formatError, type Problem, TsruncError } from "./errors.ts";
export type { SpawnOptions, Stdio } from "./init/spawn.ts";
export { applySpecOptions, loadSpec, parseSpec, readState } from "./library.ts";
export { compileCreate } from "./program/compile.ts";
export type { CompileInput, HostFacts } from "./program/input.ts";
export { programJson, programText } from "./program/print.ts";
export type { Program } from "./program/program.ts";
export {
  type CreateInput,
  type EventsInput,
  type ExecInput,
  type RunInput,
  Runtime,
  type RuntimeOptions,
  type Spawned,
} from "./runtime.ts";
export { type CompiledFilter, type CompileOptions, compileSeccomp } from "./seccomp/compile.ts";
export { type DisassembleOptions, disassemble } from "./seccomp/disassemble.ts";
export { disasmReport, explainReport, statsReport } from "./seccomp/report.ts";
export { type DefaultSpecOptions, defaultSpec, rootlessSpec } from "./spec/defaults.ts";
export type { LoadedSpec } from "./spec/load.ts";
export type { SpecOptions } from "./spec/quick.ts";
export type * from "./spec/types.ts";
export type { Features } from "./spec/types-features.ts";
export { type Findings, type ValidateOptions, validateSpec } from "./spec/validate.ts";
