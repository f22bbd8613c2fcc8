/** One page with everything in it: runtimes beside clauses, and behind each mark what was expected and seen. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type Clause, type Level, levelOf } from "../clauses.ts";
import { type CaseResult, count, hasFailedMust, type RunResult } from "../result.ts";

const PAGE = path.resolve(import.meta.dirname, "../page");

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Text of a script element: nothing in it may end the element. */
function scriptText(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

const MARKS = { failed: "✗", passed: "✓", known: "~", skipped: "–", none: "·" } as const;
type MarkStatus = keyof typeof MARKS;

/** Of several cases the worst counts; a skipped one only where there is no other. */
function worst(cases: readonly CaseResult[]): MarkStatus {
  const order = ["failed", "known", "passed", "skipped"] as const;
  return order.find((status) => cases.some((found) => found.status === status)) ?? "none";
}

interface Row {
  readonly title: string;
  readonly note: string;
  readonly level: Level;
  readonly cases: (run: RunResult) => readonly CaseResult[];
}

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

function clauseRow(clause: Clause): Row {
  const note =
    clause.unobservable === undefined ? clause.id : `${clause.id}: cannot be observed, ${clause.unobservable}`;
  return {
    title: `${clause.level}: ${clause.words}`,
    note,
    level: levelOf([clause]),
    cases: (run) => run.cases.filter(({ clauses }) => clauses.includes(clause.id)),
  };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function clauseSections(clauses: readonly Clause[]): readonly Section[] {
  return [...groupBy(clauses, ({ doc, section }) => `${doc}, ${section}`)].map(([title, group]) => ({
    title,
    rows: group.map(clauseRow),
  }));
}

/** What users expect though the specification does not say it, by file of cases. */
function otherSections(runs: readonly RunResult[]): readonly Section[] {
  const others = new Map<string, CaseResult>();
  for (const found of runs.flatMap(({ cases }) => cases)) if (found.clauses.length === 0) others.set(found.id, found);
  return [...groupBy([...others.values()], ({ file }) => file)].map(([file, group]) => ({
    title: `beyond the specification: ${file}`,
    rows: group.map(({ id, sentence, level }) => ({
      title: sentence,
      note: id,
      level,
      cases: (run) => run.cases.filter((found) => found.id === id),
    })),
  }));
}

function mark(run: RunResult, index: number, row: Row): string {
  const cases = row.cases(run);
  const status = worst(cases);
  const ids = escapeText(JSON.stringify(cases.map(({ id }) => id)));
  const label = `${run.runtime.name} ${run.runtime.version}: ${status}`;
  const text = `<span aria-hidden="true">${MARKS[status]}</span>`;
  if (cases.length === 0) return `<td class="cell none" data-status="none" title="${escapeText(label)}">${text}</td>`;
  return `<td class="cell"><button class="mark ${status}" data-status="${status}" data-run="${index}" data-cases="${ids}" title="${escapeText(label)}" aria-label="${escapeText(label)}">${text}</button></td>`;
}

function rowHtml(runs: readonly RunResult[], row: Row): string {
  const cells = runs.map((run, i) => mark(run, i, row)).join("");
  return `<tr data-level="${row.level}"><td>${escapeText(row.title)} <span class="level">${escapeText(row.note)}</span></td>${cells}</tr>`;
}

function sectionHtml(runs: readonly RunResult[], { title, rows }: Section): string {
  const head = `<tr class="section"><td colspan="${runs.length + 1}">${escapeText(title)}</td></tr>`;
  return `<tbody>${head}${rows.map((row) => rowHtml(runs, row)).join("\n")}</tbody>`;
}

function card(run: RunResult): string {
  const { runtime, machine } = run;
  const verdict = hasFailedMust(run)
    ? `<span class="failed">fails a MUST</span>`
    : `<span class="passed">keeps every MUST that was checked</span>`;
  return `<div class="runtime"><strong>${escapeText(`${runtime.name} ${runtime.version}`)}</strong>${verdict}
<small>${count(run, "passed")} passed, ${count(run, "failed")} failed, ${count(run, "known")} known, ${count(run, "skipped")} skipped in ${run.seconds.toFixed(0)} s</small>
<small>Linux ${escapeText(machine.kernel)}, ${escapeText(machine.architecture)}, cgroup v${machine.cgroup}, ${escapeText(run.started.slice(0, 10))}</small></div>`;
}

/** @param runs results of several runtimes, from the same version of the suite */
export function html(runs: readonly RunResult[]): string {
  const clauses = runs[0]?.clauses ?? [];
  const sections = [...clauseSections(clauses), ...otherSections(runs)];
  const data = runs.map(({ runtime, cases }) => ({ runtime, cases }));
  const heads = runs.map(
    ({ runtime }) => `<th class="cell" scope="col">${escapeText(`${runtime.name} ${runtime.version}`)}</th>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OCI runtime conformance: ${escapeText(runs.map(({ runtime }) => runtime.name).join(", "))}</title>
<style>${readFileSync(path.join(PAGE, "style.css"), "utf8")}</style>
</head>
<body>
<h1>Conformance to the OCI runtime specification</h1>
<p>Each row is a clause. ✓ all its cases passed, ✗ one failed, ~ a known failure, – not possible on that machine, · no case.
Choose a mark to see what was expected and what was seen.</p>
<div class="runtimes">${runs.map(card).join("")}</div>
<form>
<input id="search" type="search" placeholder="Search clauses and cases" aria-label="Search">
<select id="level" aria-label="Level"><option value="">every level</option><option value="must">MUST</option><option value="should">SHOULD</option><option value="may">MAY</option><option value="beyond">beyond the specification</option></select>
<select id="only" aria-label="Rows"><option value="">all rows</option><option value="failed">with a failure</option><option value="different">where runtimes differ</option><option value="blank">without a case</option></select>
<output id="found"></output>
</form>
<table>
<thead><tr><th scope="col">Clause</th>${heads.join("")}</tr></thead>
${sections.map((section) => sectionHtml(runs, section)).join("\n")}
</table>
<dialog></dialog>
<script id="data" type="application/json">${scriptText(data)}</script>
<script>${readFileSync(path.join(PAGE, "client.js"), "utf8")}</script>
</body>
</html>
`;
}
