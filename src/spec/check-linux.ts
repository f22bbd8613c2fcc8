/** Checks of the remaining parts of `linux`. */
import { listProblem, parseList } from "./lists.ts";
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error, warn } from "./report.ts";
import type { IntelRdt, MemoryPolicy, Spec } from "./types.ts";

export function checkCgroupsPath(spec: Spec, report: Report): void {
  const path = spec.linux?.cgroupsPath ?? "";
  if (path.includes("..") && path.split(/[/:]/).includes("..")) {
    error(report, "/linux/cgroupsPath", `expected a path without \`..\`, found ${show(path)}`);
  }
  if (path.includes("\n")) error(report, "/linux/cgroupsPath", "expected a path without line breaks");
}

export function checkIntelRdt(spec: Spec, report: Report): void {
  const rdt: IntelRdt | undefined = spec.linux?.intelRdt;
  if (rdt === undefined) return;
  const at = "/linux/intelRdt";
  const { closID = "" } = rdt;
  if (closID === "." || closID === ".." || (closID !== "/" && /[/\n]/.test(closID))) {
    error(report, `${at}/closID`, `expected \`/\` or the name of a directory, found ${show(closID)}`);
  }
  const { l3CacheSchema = "" } = rdt;
  // "SHOULD" in the specification: before 1.1 lines for the bandwidth stood here too.
  if (l3CacheSchema !== "" && (!l3CacheSchema.startsWith("L3:") || l3CacheSchema.includes("\n"))) {
    warn(report, `${at}/l3CacheSchema`, `expected one line that starts with \`L3:\`, found ${show(l3CacheSchema)}`);
  }
  const { memBwSchema = "" } = rdt;
  if (memBwSchema !== "" && (!memBwSchema.startsWith("MB:") || memBwSchema.includes("\n"))) {
    error(report, `${at}/memBwSchema`, `expected one line that starts with \`MB:\`, found ${show(memBwSchema)}`);
  }
  each(rdt.schemata, (line, index) => {
    if (line.includes("\n")) error(report, `${at}/schemata/${index}`, "expected one line");
  });
}

/** set_mempolicy(2). */
export function checkMemoryPolicy(spec: Spec, report: Report): void {
  const policy: MemoryPolicy | undefined = spec.linux?.memoryPolicy;
  if (policy === undefined) return;
  const { mode, nodes = "", flags = [] } = policy;
  const problem = listProblem(nodes);
  if (problem !== undefined) {
    error(report, "/linux/memoryPolicy/nodes", `invalid memory policy node: ${problem}`);
  } else {
    const isEmpty = parseList(nodes).length === 0;
    if ((mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL") && !isEmpty) {
      error(report, "/linux/memoryPolicy/nodes", `expected none with \`${mode}\`, found ${show(nodes)}`);
    }
    if (isEmpty && mode !== "MPOL_DEFAULT" && mode !== "MPOL_LOCAL" && mode !== "MPOL_PREFERRED") {
      error(report, "/linux/memoryPolicy/nodes", `\`${mode}\` needs at least one node, found none`);
    }
  }
  if (flags.includes("MPOL_F_STATIC_NODES") && flags.includes("MPOL_F_RELATIVE_NODES")) {
    const message = "`MPOL_F_STATIC_NODES` and `MPOL_F_RELATIVE_NODES` exclude each other";
    error(report, "/linux/memoryPolicy/flags", message);
  }
}

export function checkPersonality(spec: Spec, report: Report): void {
  const flags = spec.linux?.personality?.flags ?? [];
  if (flags.length > 0) {
    error(report, "/linux/personality/flags", "expected none: the specification has no flags of a personality yet");
  }
}

export function checkAnnotations(spec: Spec, report: Report): void {
  if ("" in (spec.annotations ?? {})) {
    error(report, `/annotations${pointer("")}`, "expected a name, found an empty one");
  }
}
