/** The cases that the files of this suite have registered, in the order in which they did. */
import type { Scope } from "./harness.ts";

export type Body = (scope: Scope) => void | Promise<void>;

export interface Case {
  /** `file/sentence`, which is unique. */
  readonly id: string;
  /** Name of the file of cases, without its ending. */
  readonly file: string;
  readonly sentence: string;
  readonly body: Body;
  readonly timeoutMs: number;
  /** What this machine lacks, where the case cannot be shown on it. */
  readonly lacking: string | undefined;
  /** A promise that only tsrunc makes. */
  readonly own: boolean;
}

const cases = new Map<string, Case>();
let file = "";

/** To be called before a file of cases is imported. */
export function beginFile(name: string): void {
  file = name;
}

/** @throws Error where two cases of a file have the same sentence */
export function register(made: Omit<Case, "id" | "file">): void {
  const id = `${file}/${made.sentence}`;
  if (cases.has(id)) throw new Error(`two cases are called \`${id}\``);
  cases.set(id, { ...made, id, file });
}

export function registeredCases(): readonly Case[] {
  return [...cases.values()];
}
