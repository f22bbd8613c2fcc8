/** How large a filter is and how long its ways are. */

import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import { type CompiledFilter, compileSeccomp } from "./compile.ts";
import { MAX_INSTRUCTIONS } from "./constants.ts";
import { emulate } from "./emulate.ts";
import { syscallNumber } from "./syscalls.ts";

/** The calls that containers make most; of each group the first that the architecture has. */
const COMMON: readonly (readonly string[])[] = [
  ["read"],
  ["write"],
  ["futex"],
  ["epoll_wait", "epoll_pwait"],
  ["openat"],
  ["close"],
  ["recvfrom", "recvmsg"],
  ["sendto", "sendmsg"],
  ["mmap"],
  ["clock_gettime"],
];

export interface FilterStats {
  readonly instructions: number;
  readonly limit: number;
  readonly bytes: number;
  readonly arches: readonly SeccompArch[];
  readonly flags: number;
  readonly listener: boolean;
  /** Instructions executed for each common call of the machine's architecture, arguments 0. */
  readonly calls: readonly { readonly name: string; readonly text: string; readonly steps: number }[];
}

export function filterStats(seccomp: Seccomp, arch: SeccompArch, pointer?: string): FilterStats {
  const options = pointer === undefined ? { arch } : { arch, pointer };
  const filter = compileSeccomp(seccomp, options);
  return {
    instructions: filter.length,
    limit: MAX_INSTRUCTIONS,
    bytes: filter.instructions.length,
    arches: filter.arches,
    flags: filter.flags,
    listener: filter.listener,
    calls: COMMON.flatMap((names) => callStats(filter, arch, names)),
  };
}

function callStats(filter: CompiledFilter, arch: SeccompArch, names: readonly string[]): FilterStats["calls"] {
  const { audit, bigEndian } = archInfo(arch);
  for (const name of names) {
    const nr = syscallNumber(arch, name);
    if (nr === undefined) continue;
    const { text, steps } = emulate(filter.instructions, { arch: audit, nr }, bigEndian);
    return [{ name, text, steps }];
  }
  return [];
}
