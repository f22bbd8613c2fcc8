import { hasOwn, namespacesOf } from "../program/compile-namespaces.ts";
import { ungrantedCapabilities } from "../program/compile-process.ts";
import type { HostFacts } from "../program/input.ts";
import type { Process, Spec } from "../spec/types.ts";

/** For the log: what the runtime itself may not have, or the kernel does not know, a process is not given. */
export function capabilityWarnings(
  process: Process | undefined,
  spec: Spec,
  facts: HostFacts,
  at = "/process",
): string[] {
  if (process === undefined) return [];
  const userNamespace = hasOwn(namespacesOf(spec), "user");
  const names = ungrantedCapabilities({ process, facts, userNamespace });
  return names.length === 0 ? [] : [`${at}/capabilities: not granted on this host: ${names.join(", ")}`];
}
