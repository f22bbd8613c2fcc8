/** The page of clauses: for each its cases, and what became of them with each runtime. */
import { type Clause, names } from "../clauses.ts";
import type { CaseResult, RunResult, Status } from "../result.ts";

const WORDS: Readonly<Record<Status, string>> = { passed: "✓", failed: "✗", skipped: "–", known: "~" };

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** How many of a runtime's cases ended how, e.g. `✓ 12 ✗ 1`. */
function summary(cases: readonly CaseResult[]): string {
  const parts = (Object.keys(WORDS) as Status[]).flatMap((status) => {
    const n = cases.filter((found) => found.status === status).length;
    return n === 0 ? [] : [`${WORDS[status]} ${n}`];
  });
  return parts.join(" ") || "·";
}

function casesCell(clause: Clause): string {
  if (clause.unobservable !== undefined) return `_${cell(clause.unobservable)}_`;
  return (clause.cases ?? []).map((pattern) => `\`${cell(pattern)}\``).join("<br>");
}

function row(clause: Clause, results: readonly RunResult[]): string {
  const marks = results.map(({ cases }) =>
    clause.cases === undefined
      ? ""
      : summary(cases.filter(({ id }) => clause.cases?.some((pattern) => names(pattern, id)))),
  );
  const since = clause.since === undefined ? "" : ` (${clause.since})`;
  const what = `${clause.level}${since}: ${cell(clause.words)}`;
  return `| \`${clause.id}\` | ${what} | ${[casesCell(clause), ...marks].join(" | ")} |`;
}

function section(title: string, clauses: readonly Clause[], results: readonly RunResult[]): string {
  const runtimes = results.map(({ runtime }) => `${runtime.name} ${runtime.version}`);
  const head = ["clause", "what", "cases", ...runtimes];
  return [
    `## ${title}`,
    "",
    `| ${head.join(" | ")} |`,
    `| ${head.map(() => "---").join(" | ")} |`,
    ...clauses.map((clause) => row(clause, results)),
    "",
  ].join("\n");
}

function observed(clauses: readonly Clause[], levels: readonly string[]): string {
  const of = clauses.filter(({ level, unobservable }) => levels.includes(level) && unobservable === undefined);
  const withCase = of.filter(({ cases = [] }) => cases.length > 0);
  return `${withCase.length} of ${of.length}`;
}

export function markdown(results: readonly RunResult[]): string {
  const clauses = results[0]?.clauses ?? [];
  const titles = [...new Set(clauses.map(({ doc, section }) => `${doc}, ${section}`))];
  const machines = results.map(
    ({ runtime, machine, cases }) =>
      `- ${runtime.name} ${runtime.version}: ${summary(cases)}; Linux ${machine.kernel}, ${machine.architecture}, cgroup v${machine.cgroup}`,
  );
  return [
    "# Conformance, clause by clause",
    "",
    "Made by `tsrunc-conformance --format markdown`; not to be edited. ✓ passed, ✗ failed, – not possible on that machine,",
    "~ a known failure of that version, · not run. In italics: why no case can observe a clause.",
    "",
    `${clauses.length} clauses. Cases there are for ${observed(clauses, ["MUST", "MUST NOT", "REQUIRED"])} MUST, MUST NOT and REQUIRED`,
    `that can be observed, and for ${observed(clauses, ["SHOULD", "SHOULD NOT", "RECOMMENDED"])} SHOULD and SHOULD NOT.`,
    "",
    ...machines,
    "",
    ...titles.map((title) =>
      section(
        title,
        clauses.filter(({ doc, section }) => `${doc}, ${section}` === title),
        results,
      ),
    ),
  ].join("\n");
}
