/** What the case that is running has done, so that a failure can show it and a person can repeat it. */
import type { Spec } from "./spec.ts";

export interface Call {
  readonly words: readonly string[];
  /** Exit status or the name of a signal; absent while it runs. */
  status?: number | string;
}

export interface Trace {
  readonly calls: Call[];
  /** The configurations written, by bundle. */
  readonly configs: Map<string, Spec>;
}

let current: Trace = { calls: [], configs: new Map() };

export function beginTrace(): void {
  current = { calls: [], configs: new Map() };
}

export function currentTrace(): Trace {
  return current;
}

export function traceCall(words: readonly string[]): Call {
  const call: Call = { words };
  current.calls.push(call);
  return call;
}

export function traceConfig(bundle: string, spec: Spec): void {
  current.configs.set(bundle, structuredClone(spec));
}
