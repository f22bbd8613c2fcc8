import type { Int64, Uint64 } from "../spec/types.ts";

/**
 * What `events --stats` prints as `data`, with the keys, the order and the absent zeros of runc's, which
 * engines decode. Numbers above 2^53 are bigints: print with {@link stringifyStats}.
 */
export interface Stats {
  readonly cpu: CpuStats;
  /** v1 only; all zero on v2. */
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current?: Uint64; readonly limit?: Uint64 };
  readonly blkio: BlkioStats;
  /** By page size (`2MB`). */
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
  readonly intel_rdt: Readonly<Record<string, unknown>>;
  readonly network_interfaces: null;
}

/** Pressure stall information (Documentation/accounting/psi.rst): percentages, and microseconds in `total`. */
export interface Pressure {
  readonly some?: PressureLine;
  readonly full?: PressureLine;
}

export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Uint64;
}

/** Nanoseconds. */
export interface CpuStats {
  readonly usage?: CpuUsage;
  readonly throttling?: {
    readonly periods?: Uint64;
    readonly throttledPeriods?: Uint64;
    readonly throttledTime?: Uint64;
  };
  readonly psi?: Pressure;
}

export interface CpuUsage {
  readonly total?: Uint64;
  readonly percpu?: readonly Uint64[];
  readonly percpu_kernel?: readonly Uint64[];
  readonly percpu_user?: readonly Uint64[];
  readonly kernel: Uint64;
  readonly user: Uint64;
}

export interface CpusetStats {
  readonly cpus?: readonly number[];
  readonly cpu_exclusive: Uint64;
  readonly mems?: readonly number[];
  readonly mem_hardwall: Uint64;
  readonly mem_exclusive: Uint64;
  readonly memory_migrate: Uint64;
  readonly memory_spread_page: Uint64;
  readonly memory_spread_slab: Uint64;
  readonly memory_pressure: Uint64;
  readonly sched_load_balance: Uint64;
  readonly sched_relax_domain_level: Int64;
}

/** Bytes. */
export interface MemoryStats {
  readonly cache?: Uint64;
  readonly usage?: MemoryEntry;
  /** Memory and swap together, on v2 too. */
  readonly swap?: MemoryEntry;
  readonly kernel?: MemoryEntry;
  readonly kernelTCP?: MemoryEntry;
  /** memory.stat, whole. */
  readonly raw?: Readonly<Record<string, Uint64>>;
  readonly psi?: Pressure;
}

export interface MemoryEntry {
  readonly limit: Uint64;
  readonly usage?: Uint64;
  readonly max?: Uint64;
  readonly failcnt: Uint64;
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[];
  readonly ioServicedRecursive?: readonly BlkioEntry[];
  readonly ioQueueRecursive?: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[];
  readonly ioMergedRecursive?: readonly BlkioEntry[];
  readonly ioTimeRecursive?: readonly BlkioEntry[];
  readonly sectorsRecursive?: readonly BlkioEntry[];
  readonly psi?: Pressure;
}

export interface BlkioEntry {
  readonly major?: number;
  readonly minor?: number;
  readonly op?: string;
  readonly value?: Uint64;
}

export interface HugetlbStats {
  readonly usage?: Uint64;
  readonly max?: Uint64;
  readonly failcnt: Uint64;
}
