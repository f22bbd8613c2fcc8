/** The XML that CI services read; there is no standard, this is what all of them take. */
import { type CaseResult, count, type RunResult } from "../result.ts";

function escapeText(text: string): string {
  return (
    text
      // XML 1.0 has no other control characters, not even escaped ones.
      .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, "\ufffd")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("\n", "&#10;")
  );
}

function body({ status, reason, failure, repeat }: CaseResult): string {
  if (status === "skipped" || status === "known") return `<skipped message="${escapeText(reason ?? "")}"/>`;
  if (failure === undefined) return "";
  const text = `${failure.detail}\n${JSON.stringify(failure.configs)}\n${repeat}`;
  return `<failure message="${escapeText(failure.message)}">${escapeText(text)}</failure>`;
}

function testCase(found: CaseResult): string {
  const time = (found.milliseconds / 1000).toFixed(3);
  return `    <testcase classname="${escapeText(found.file)}" name="${escapeText(found.sentence)}" time="${time}">${body(found)}</testcase>`;
}

export function junit(result: RunResult): string {
  const skipped = count(result, "skipped") + count(result, "known");
  const totals = `tests="${result.cases.length}" failures="${count(result, "failed")}" skipped="${skipped}" time="${result.seconds.toFixed(3)}"`;
  const name = escapeText(`${result.runtime.name} ${result.runtime.version}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites ${totals}>
  <testsuite name="${name}" ${totals} timestamp="${result.started}">
${result.cases.map(testCase).join("\n")}
  </testsuite>
</testsuites>
`;
}
