/** Rules of the specification and the kernel that a schema cannot say, as a list of small checks. */
import { statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
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
import { checkSysctls, sysctlParts } from "./check-sysctl.ts";
import { errnoOf, errnoText } from "./files.ts";
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { error } from "./report.ts";
import type { Process, Resources, Spec } from "./types.ts";

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

/** Checks what the spec asks of the host's files: the root filesystem, and whose network a sysctl would change. */
export function validateHost(spec: Spec, bundle: string): Findings {
  const report: Report = { problems: [], warnings: [] };
  checkRootDirectory(spec, bundle, report);
  checkJoinedNetwork(spec, report);
  return report;
}

function checkVersion(spec: Spec, report: Report): void {
  const version = /^(\d+)\.(\d+)\.(\d+)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z.-]+)?$/.exec(
    spec.ociVersion,
  );
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

function checkRootDirectory(spec: Spec, bundle: string, report: Report): void {
  if (spec.root === undefined) return;
  const path = isAbsolute(spec.root.path) ? spec.root.path : join(bundle, spec.root.path);
  try {
    if (!statSync(path).isDirectory()) error(report, "/root/path", `expected a directory at \`${path}\`, found a file`);
  } catch (cause) {
    error(report, "/root/path", `stat \`${path}\`: ${errnoOf(cause)} (${errnoText(cause)})`);
  }
}

/** A network namespace to join may be the caller's own. A path that cannot be read is left to setns to report. */
function checkJoinedNetwork(spec: Spec, report: Report): void {
  const path = findNamespace(spec, "network")?.path ?? "";
  const names = Object.keys(spec.linux?.sysctl ?? {}).filter((name) => sysctlParts(name)[0] === "net");
  if (path === "" || names.length === 0) return;
  try {
    const [own, joined] = [statSync("/proc/self/ns/net"), statSync(path)];
    if (own.dev !== joined.dev || own.ino !== joined.ino) return;
  } catch {
    return;
  }
  for (const name of names) {
    error(
      report,
      pointer("linux", "sysctl", name),
      `\`${path}\` is the host's network: setting it would change the host`,
    );
  }
}
