/** Rules of the specification and the kernel that a schema cannot say, as a list of small checks. */
import { statSync } from "node:fs";
import type { Problem } from "../errors.ts";
import {
  checkAnnotations,
  checkCgroupsPath,
  checkIntelRdt,
  checkMemoryPolicy,
  checkPersonality,
} from "./check-linux.ts";
import { checkDevices, checkHooks, checkMounts, checkRestrictedPaths, checkRoot } from "./check-mounts.ts";
import {
  checkHostNames,
  checkNamespaces,
  checkNetDevices,
  checkTimeOffsets,
  checkUserNamespace,
  findNamespace,
} from "./check-namespaces.ts";
import { checkProcess } from "./check-process.ts";
import { checkInitialResources, checkResources } from "./check-resources.ts";
import { checkSysctls, sysctlNamespace, sysctlParts } from "./check-sysctl.ts";
import { hostPath } from "./paths.ts";
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error } from "./report.ts";
import type { NamespaceType, Process, Resources, Spec } from "./types.ts";

export interface ValidateOptions {
  /** `process` is required to start a container, not to create one (config.md, "Process"). Default false. */
  readonly requireProcess?: boolean;
}

/** What is wrong (`problems`) and what is odd (`warnings`), each with a JSON pointer. */
export interface Findings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

type Check = (spec: Spec, report: Report) => void;

const CHECKS: readonly Check[] = [
  checkVersion,
  checkRoot,
  checkMounts,
  checkProcessOfSpec,
  checkHostNames,
  checkHooks,
  checkAnnotations,
  checkNamespaces,
  checkUserNamespace,
  checkTimeOffsets,
  checkNetDevices,
  checkSysctls,
  checkCgroupsPath,
  checkResourcesOfSpec,
  checkDevices,
  checkRestrictedPaths,
  checkIntelRdt,
  checkMemoryPolicy,
  checkPersonality,
];

/** Checks a spec whose fields have their types. Pure: see {@link validateHost} for what the host must offer. */
export function validateSpec(spec: Spec, options: ValidateOptions = {}): Findings {
  const report: Report = { problems: [], warnings: [] };
  for (const check of CHECKS) check(spec, report);
  if (options.requireProcess === true && spec.process === undefined) {
    error(report, "/process", "is required to start a container, but missing");
  }
  return report;
}

/** Checks a `process` on its own; pointers start at it. */
export function validateProcess(process: Process): Findings {
  const report: Report = { problems: [], warnings: [] };
  checkProcess(process, "", report);
  return report;
}

/** Checks new limits for a running container; pointers start at them. */
export function validateResources(resources: Resources): Findings {
  const report: Report = { problems: [], warnings: [] };
  checkResources(resources, "", report);
  return report;
}

/** Checks what only the host can tell: whose namespace a sysctl or a root would change. */
export function validateHost(spec: Spec): Findings {
  const report: Report = { problems: [], warnings: [] };
  checkJoinedNamespaces(spec, report);
  checkJoinedMounts(spec, report);
  return report;
}

/** Semantic Versioning 2.0.0, clauses 2, 9 and 10: no leading zeros in numbers, no empty identifiers. */
const SEMVER = new RegExp(
  "^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)" +
    "(?:-(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)(?:\\.(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*))*)?" +
    "(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$",
);

function checkVersion(spec: Spec, report: Report): void {
  const version = SEMVER.exec(spec.ociVersion);
  if (version === null) {
    error(report, "/ociVersion", `expected a version such as \`1.3.0\`, found ${show(spec.ociVersion)}`);
  } else if (version[1] !== "1") {
    error(report, "/ociVersion", `expected version 1 of the specification, found ${show(spec.ociVersion)}`);
  }
}

function checkProcessOfSpec(spec: Spec, report: Report): void {
  if (spec.process !== undefined) checkProcess(spec.process, "/process", report);
}

function checkResourcesOfSpec(spec: Spec, report: Report): void {
  const resources = spec.linux?.resources;
  if (resources === undefined) return;
  checkResources(resources, "/linux/resources", report);
  checkInitialResources(resources, "/linux/resources", report);
}

/** A namespace to join may be the caller's own. A path that cannot be read is left to setns to report. */
function checkJoinedNamespaces(spec: Spec, report: Report): void {
  for (const name of Object.keys(spec.linux?.sysctl ?? {})) {
    const type = sysctlNamespace(sysctlParts(name));
    const path = type === undefined ? "" : hostPath(findNamespace(spec, type)?.path ?? "");
    if (type === undefined || path === "" || !isOwnNamespace(type, path)) continue;
    const problem = `\`${path}\` is the host's own \`${type}\` namespace: setting it would change the host`;
    error(report, pointer("linux", "sysctl", name), problem);
  }
}

/** Where a file in /proc/PID/ns has not the name of config.json. */
const FILES: Readonly<Partial<Record<NamespaceType, string>>> = { network: "net", mount: "mnt" };

/** With pivot_root(2) all processes of the namespace get the new root. */
function checkJoinedMounts(spec: Spec, report: Report): void {
  each(spec.linux?.namespaces, ({ type, path = "" }, index) => {
    if (type !== "mount" || path === "" || !isOwnNamespace("mount", hostPath(path))) return;
    const problem = `\`${path}\` is the host's own mount namespace, whose root would be changed; without the entry it is used as it is`;
    error(report, `/linux/namespaces/${index}/path`, problem);
  });
}

/** The file of this process's own namespace (proc(5)). */
export function ownNamespace(type: NamespaceType): string {
  return `/proc/self/ns/${FILES[type] ?? type}`;
}

function isOwnNamespace(type: NamespaceType, path: string): boolean {
  try {
    const [own, joined] = [statSync(ownNamespace(type)), statSync(path)];
    return own.dev === joined.dev && own.ino === joined.ino;
  } catch {
    return false;
  }
}
