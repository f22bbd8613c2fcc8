/** What the runner and its workers say to each other: objects over Node's IPC channel. */

export interface CaseInfo {
  readonly id: string;
  readonly file: string;
  readonly sentence: string;
  readonly lacking?: string;
  readonly own: boolean;
  /** Why this version of the runtime is known to fail it. */
  readonly gap?: string;
}

export interface CallInfo {
  readonly words: readonly string[];
  readonly status: number | string;
}

export interface Failure {
  /** One line. */
  readonly message: string;
  /** Expected and seen, side by side, where it was a comparison. */
  readonly detail: string;
  /** `file:line:column` of the case. */
  readonly place: string;
  readonly calls: readonly CallInfo[];
  /** What of config.json is not as in the smallest one, by bundle. */
  readonly configs: readonly { readonly bundle: string; readonly fragment: unknown }[];
}

export interface Outcome {
  readonly id: string;
  readonly milliseconds: number;
  /** Absent where it passed. */
  readonly failure?: Failure;
}

export type ToWorker =
  /** To run the smallest container there is, which shows whether the suite makes sense with this runtime here. */
  { readonly kind: "trial" } | { readonly kind: "run"; readonly id: string } | { readonly kind: "end" };

export type FromWorker =
  | { readonly kind: "ready"; readonly runtime: Runtime; readonly cases: readonly CaseInfo[] }
  | { readonly kind: "works" }
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  | { readonly kind: "unusable"; readonly reason: string };

export interface Runtime {
  readonly name: string;
  readonly version: string;
}
