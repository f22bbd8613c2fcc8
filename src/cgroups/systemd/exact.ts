/**
 * What systemd can hold: some limits only rounded, or on a scale of its own. They are rounded before anything is written,
 * so that systemd, which writes its values to the files when it is reloaded, changes nothing. Pure.
 */
import type { Resources } from "../../spec/types.ts";
import { type Bandwidth, bandwidth } from "../limits-cpu.ts";

const DEFAULT_PERIOD = 100_000;

/** The resources as systemd can hold them. `heldCpuMax`: cpu.max of the cgroup, for an update. */
export function exactResources(resources: Resources, heldCpuMax?: () => string | undefined): Resources {
  const { cpu, unified } = resources;
  let exact = resources;
  const limit = cpu === undefined || !(cpu.quota || cpu.period) ? undefined : bandwidth(cpu, heldCpuMax?.());
  if (limit !== undefined) {
    const { quota, period } = exactBandwidth(limit);
    exact = { ...exact, cpu: { ...cpu, quota: quota === "max" ? -1 : quota, period } };
  }
  if (unified !== undefined) exact = { ...exact, unified: exactFiles(unified) };
  return exact;
}

function exactFiles(unified: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(unified).flatMap(([file, text]): [string, string][] => {
    // One weight is all that systemd holds, and it writes both files.
    if (file === "io.bfq.weight" && unified["io.weight"] !== undefined) return [];
    // No process can fork with either.
    if (file === "pids.max" && text.trim() === "0") return [[file, "1"]];
    const limit = file === "cpu.max" ? parseBandwidth(text.trim()) : undefined;
    if (limit === undefined) return [[file, text]];
    const { quota, period } = exactBandwidth(limit);
    return [[file, `${quota} ${period}`]];
  });
  return Object.fromEntries(entries);
}

/** As systemd computes the quota from what it holds. Without one it knows no other period than the default. */
function exactBandwidth({ quota, period }: Bandwidth): Bandwidth {
  if (quota === "max") return { quota, period: DEFAULT_PERIOD };
  return { quota: Number((perSecond(BigInt(quota), BigInt(period)) * BigInt(period)) / 1_000_000n), period };
}

/** systemd keeps whole percents, 10 ms per second; rounded up, so that cgroups inside may have all that was asked for. */
export function perSecond(quota: bigint, period: bigint): bigint {
  const step = 10_000n * period;
  return ((quota * 1_000_000n + step - 1n) / step) * 10_000n;
}

/**
 * BFQ's weights, 1 … 1000, on systemd's scale of 1 … 10000; both have 100 as the default, and each half is linear. systemd
 * makes the same of it for io.bfq.weight, and writes it to io.weight as it is.
 */
export function fromBfq(weight: number): number {
  return weight <= 100 ? weight : 100 + (weight - 100) * 11;
}

/** A text for cpu.max, `QUOTA [PERIOD]`. */
export function parseBandwidth(text: string): Bandwidth | undefined {
  const match = /^(max|\d{1,16})(?:\s+([1-9]\d{0,14}))?$/.exec(text);
  if (match === null) return undefined;
  const quota = match[1] === "max" ? "max" : Number(match[1]);
  return { quota, period: match[2] === undefined ? DEFAULT_PERIOD : Number(match[2]) };
}
