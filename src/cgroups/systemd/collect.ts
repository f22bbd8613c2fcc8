/** Properties of a unit while they are found one after the other. Pure. */
import type { Value } from "../../dbus/marshal.ts";
import type { Bandwidth } from "../limits-cpu.ts";
import { perSecond } from "./exact.ts";

/** One property of a unit, with its D-Bus type. */
export interface Property {
  readonly name: string;
  readonly type: string;
  readonly value: Value;
  /** The version of systemd that brought it: older ones are not told. */
  readonly since?: number;
  /** JSON pointer of what it was made from. */
  readonly at?: string;
}

/** CGROUP_LIMIT_MAX and USEC_INFINITY of systemd. */
export const INFINITY = (1n << 64n) - 1n;

/** The smallest there is: the kernel counts memory in whole pages. */
const PAGE = 4096n;
/** From here on the kernel takes a limit for none (PAGE_COUNTER_MAX). */
const NO_LIMIT = (1n << 63n) - PAGE;

/** By the keys of io.max. */
export const IO_LIMITS: Readonly<Record<string, string>> = {
  rbps: "IOReadBandwidthMax",
  wbps: "IOWriteBandwidthMax",
  riops: "IOReadIOPSMax",
  wiops: "IOWriteIOPSMax",
};

/** The value of a property that lists devices, and the place of each in it. */
interface Devices {
  readonly value: [path: string, limit: bigint][];
  readonly places: Map<string, number>;
}

/** Collects properties; of two values for one the later one counts, as with writes to a file. */
export class Properties {
  readonly #base: string;
  readonly #found = new Map<string, Property>();
  readonly #devices = new Map<string, Devices>();

  constructor(base: string) {
    this.#base = base;
  }

  list(): readonly Property[] {
    return [...this.#found.values()];
  }

  set(property: Omit<Property, "at">, field: string): void {
    this.#found.set(property.name, { ...property, at: this.#base + field });
  }

  number(name: string, value: bigint, field: string): void {
    this.set({ name, type: "t", value }, field);
  }

  memory(name: string, value: bigint | "max", field: string, since?: number): void {
    const whole = value === "max" || value >= NO_LIMIT ? INFINITY : value - (value % PAGE);
    this.set({ name, type: "t", value: whole, ...(since === undefined ? {} : { since }) }, field);
  }

  idle(field: string): void {
    this.set({ name: "CPUWeight", type: "t", value: 0n, since: 252 }, field);
  }

  bandwidth({ quota, period }: Bandwidth, field: string): void {
    this.set({ name: "CPUQuotaPeriodUSec", type: "t", value: BigInt(period), since: 242 }, field);
    this.number("CPUQuotaPerSecUSec", quota === "max" ? INFINITY : perSecond(BigInt(quota), BigInt(period)), field);
  }

  /** A list such as `0-3,7` as bytes with one bit for each, the lowest first; nothing where it is none. */
  mask(name: string, text: string, field: string): void {
    const value = bits(text);
    if (value !== undefined) this.set({ name, type: "ay", value, since: 244 }, field);
  }

  /** One device of a property that lists them. `number`: `8:0`. */
  device(name: string, number: string, value: bigint, field: string): void {
    let devices = this.#devices.get(name);
    if (devices === undefined) {
      devices = { value: [], places: new Map() };
      this.#devices.set(name, devices);
    }
    const path = `/dev/block/${number}`;
    const place = devices.places.get(path) ?? devices.value.length;
    devices.places.set(path, place);
    devices.value[place] = [path, value];
    this.set({ name, type: "a(st)", value: devices.value }, field);
  }
}

/** Larger than any machine: a list that goes further is for the kernel to refuse. */
const MOST_BITS = 8192;
/** And longer than the kernel takes for so many (max_write_len of kernel/cgroup/cpuset.c). */
const MOST_TEXT = 100 + 6 * MOST_BITS;

/** As bitmap_parselist() of the kernel: numbers, ranges, and of a range `USED/GROUP`, the first of each group. */
function bits(text: string): Uint8Array | undefined {
  if (text.length > MOST_TEXT) return undefined;
  const value: number[] = [];
  for (const part of text.split(/[,\s]+/).filter((word) => word !== "")) {
    const match = /^(\d+)(?:-(\d+)(?::(\d+)\/(\d+))?)?$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    const [used, group] = [Number(match[3] ?? 1), Number(match[4] ?? 1)];
    if (last >= MOST_BITS || group === 0) return undefined;
    for (let n = first; n <= last; n++) {
      if ((n - first) % group < used) value[n >> 3] = (value[n >> 3] ?? 0) | (1 << (n & 7));
    }
  }
  return Uint8Array.from(value, (byte) => byte ?? 0);
}
