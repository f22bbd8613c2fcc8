/** The flags of update as a `linux.resources` object. */
import { TsruncError } from "../errors.ts";
import { loadResources } from "../spec/load.ts";
import { parseSize } from "../spec/sizes.ts";
import type { Resources } from "../spec/types-resources.ts";
import type { UpdateOptions } from "./options.ts";

/** @throws TsruncError `usage` for a value that cannot be read, `config` for one that is out of range */
export function resourcesOfFlags(options: UpdateOptions): Resources {
  const resources = {
    memory: present({
      limit: size(options.memory, "memory"),
      reservation: size(options.memoryReservation, "memory-reservation"),
      swap: size(options.memorySwap, "memory-swap"),
    }),
    cpu: present({
      shares: natural(options.cpuShare, "cpu-share"),
      quota: integer(options.cpuQuota, "cpu-quota"),
      burst: natural(options.cpuBurst, "cpu-burst"),
      period: natural(options.cpuPeriod, "cpu-period"),
      realtimeRuntime: integer(options.cpuRtRuntime, "cpu-rt-runtime"),
      realtimePeriod: natural(options.cpuRtPeriod, "cpu-rt-period"),
      cpus: options.cpusetCpus,
      mems: options.cpusetMems,
      idle: integer(options.cpuIdle, "cpu-idle"),
    }),
    pids: present({ limit: integer(options.pidsLimit, "pids-limit") }),
    blockIO: present({ weight: natural(options.blkioWeight, "blkio-weight") }),
  };
  // The same checks as for a file: ranges, and what does not go together.
  return loadResources(JSON.stringify(present(resources) ?? {}), "command line").resources;
}

/** Without what is undefined; undefined if nothing is left. */
function present<T extends object>(fields: T): T | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as T);
}

function size(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : parseSize(text, `flag \`--${flag}\``);
}

function integer(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new TsruncError("usage", `flag \`--${flag}\`: expected an integer, found \`${text}\``);
}

function natural(text: string | undefined, flag: string): number | undefined {
  const value = integer(text, flag);
  if (value === undefined || value >= 0) return value;
  throw new TsruncError("usage", `flag \`--${flag}\`: expected a number from 0 upwards, found \`${text}\``);
}
