/**
 * What a case needs of the machine. It is asked of the machine, never of the runtime; each answers with what is lacking,
 * or undefined.
 */
import { existsSync } from "node:fs";
import { hasControlFiles, hasController } from "./cgroup.ts";
import { cgroupVersion, hostHasCapability, kernelAtLeast } from "./host.ts";

export type Lack = string | undefined;

/** The first thing that is lacking. */
export function lacksAny(...lacks: readonly Lack[]): Lack {
  return lacks.find((lack) => lack !== undefined);
}

export function lacksController(...names: readonly string[]): Lack {
  const missing = names.filter((name) => !hasController(name));
  return missing.length === 0 ? undefined : `the cgroup controller ${missing.map((name) => `\`${name}\``).join(", ")}`;
}

export function lacksControlFiles(controller: string, files: readonly string[]): Lack {
  return (
    lacksController(controller) ?? (hasControlFiles(controller, files) ? undefined : `${files.join(", ")} in cgroups`)
  );
}

export function lacksCgroup(version: 1 | 2): Lack {
  return cgroupVersion() === version ? undefined : `cgroup v${version}`;
}

export function lacksKernel(version: string): Lack {
  return kernelAtLeast(version) ? undefined : `Linux ${version}`;
}

export function lacksFile(file: string): Lack {
  return existsSync(file) ? undefined : `\`${file}\``;
}

/** @param bit number of the capability, @param name e.g. `CAP_SYS_RESOURCE` */
export function lacksCapability(bit: number, name: string): Lack {
  return hostHasCapability(bit) ? undefined : `the right ${name} of this machine's root`;
}
