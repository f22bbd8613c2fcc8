/** The clauses of the runtime-spec, and which cases check them. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { SpecVersion } from "./options.ts";

/** As the specification writes them (RFC 2119); REQUIRED and MAY have no cases that fail by themselves. */
export type Keyword = "MUST" | "MUST NOT" | "SHOULD" | "SHOULD NOT" | "REQUIRED" | "RECOMMENDED" | "MAY";

export interface Clause {
  readonly id: string;
  /** File of the specification. */
  readonly doc: string;
  /** Anchor of the section in it. */
  readonly section: string;
  readonly level: Keyword;
  /** What it is about, in a few words. */
  readonly words: string;
  /** The version that brought it; 1.0 when absent. */
  readonly since?: SpecVersion;
  /** Cases that check it: `file/sentence`, or its beginning followed by `*`. */
  readonly cases?: readonly string[];
  /** Why no case can. */
  readonly unobservable?: string;
}

const FILE = path.resolve(import.meta.dirname, "../clauses.json");

export function readClauses(): readonly Clause[] {
  return JSON.parse(readFileSync(FILE, "utf8")) as readonly Clause[];
}

export function names(pattern: string, id: string): boolean {
  return pattern.endsWith("*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}

/** The clauses that a case checks. */
export function clausesOf(clauses: readonly Clause[], id: string): readonly Clause[] {
  return clauses.filter((clause) => clause.cases?.some((pattern) => names(pattern, id)));
}

export type Level = "must" | "should" | "may" | "beyond";

const LEVEL_OF: Readonly<Record<Keyword, Level>> = {
  MUST: "must",
  "MUST NOT": "must",
  REQUIRED: "must",
  SHOULD: "should",
  "SHOULD NOT": "should",
  RECOMMENDED: "should",
  MAY: "may",
};
const ORDER: readonly Level[] = ["must", "should", "may", "beyond"];

/** The strictest of its clauses; what checks none is of what users expect beyond the specification. */
export function levelOf(clauses: readonly Clause[]): Level {
  return ORDER.find((level) => clauses.some((clause) => LEVEL_OF[clause.level] === level)) ?? "beyond";
}

/** Whether all that a case checks came after this version. */
export function isNewer(clauses: readonly Clause[], spec: SpecVersion): boolean {
  return clauses.length > 0 && clauses.every((clause) => Number(clause.since ?? "1.0") > Number(spec));
}
