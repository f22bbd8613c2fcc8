/** Which kernel parameters a container may set: those of a namespace that is its own. */
import { findNamespace } from "./check-namespaces.ts";
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { error } from "./report.ts";
import type { NamespaceType, Spec } from "./types.ts";

const IPC_NAMES = " msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced ";

export function checkSysctls(spec: Spec, report: Report): void {
  for (const name of Object.keys(spec.linux?.sysctl ?? {})) {
    const problem = sysctlProblem(spec, name);
    if (problem !== undefined) error(report, pointer("linux", "sysctl", name), problem);
  }
}

/**
 * The path of a parameter under /proc/sys, as parts. sysctl(8) knows two spellings, told apart by which separator
 * comes first: `net.ipv4.conf.eno2/100.rp_filter` and `net/ipv4/conf/eno2.100/rp_filter` are the same.
 */
export function sysctlParts(name: string): string[] {
  const separator = /[./]/.exec(name)?.[0] ?? ".";
  return separator === "/" ? name.split("/") : name.split(".").map((part) => part.replaceAll("/", "."));
}

/** The namespace that a parameter belongs to; undefined for one of the whole machine. */
export function sysctlNamespace(parts: readonly string[]): NamespaceType | undefined {
  const [first, second = ""] = parts;
  if (first === "net") return "network";
  if (first === "user") return "user";
  if (first === "fs" && second === "mqueue" && parts.length > 2) return "ipc";
  if (first !== "kernel" || parts.length !== 2) return undefined;
  if (second === "hostname" || second === "domainname") return "uts";
  return IPC_NAMES.includes(` ${second} `) ? "ipc" : undefined;
}

function sysctlProblem(spec: Spec, name: string): string | undefined {
  const parts = sysctlParts(name);
  // A part of `..` would lead out of the directory that the first part was checked for.
  if (parts.length < 2 || parts.some((part) => part === "" || part === "." || part === "..")) {
    return `expected the name of a kernel parameter, found ${show(name)}`;
  }
  const namespace = sysctlNamespace(parts);
  if (namespace === undefined) return "is not of a namespace: setting it would change the host";
  if (findNamespace(spec, namespace) === undefined) {
    return `needs a namespace of type \`${namespace}\`: setting it would change the host`;
  }
  if (parts[1] === "hostname" && namespace === "uts") return "conflicts with `hostname`, which is the way to set it";
  return undefined;
}
