import { checkBundle } from "../../check/check.ts";
import type { Finding } from "../../check/finding.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";
import { createOptions } from "../options.ts";

/** 0: nothing wrong; 1: errors; 2: warnings, with `--strict`. */
export function checkVerb(call: Call): number {
  const format = call.flags.oneOf("format", ["text", "json"]) ?? "text";
  const options = createOptions(call);
  const findings = checkBundle(call.context, { ...options, id: "check", bundle: call.args[0] ?? options.bundle });
  print(format === "json" ? `${JSON.stringify(findings, undefined, 2)}\n` : findingsText(findings));
  if (findings.some(({ severity }) => severity === "error")) return 1;
  return findings.length > 0 && call.flags.bool("strict") ? 2 : 0;
}

function findingsText(findings: readonly Finding[]): string {
  const lines = findings.map(
    ({ severity, at, message, hint }) =>
      `${severity}: ${at === "" ? "/" : at}: ${message}${hint === undefined ? "" : `; hint: ${hint}`}\n`,
  );
  return lines.length === 0 ? "nothing wrong was found\n" : lines.join("");
}
