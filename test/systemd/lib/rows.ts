/** Limits, and what of them systemd and the files of a cgroup have to hold. */

/** What `systemctl show` says and what the files hold. */
export interface Held {
  readonly show: Readonly<Record<string, string>>;
  /** What a file has to begin with: io.max has more devices and keys than are set. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Row {
  readonly resources: object;
  readonly held: Held;
  readonly update: object;
  readonly updated: Held;
  /** Only where the kernel has this file in a cgroup. */
  readonly needs?: string;
}

export const MIB = 1 << 20;
/** `disk`: MAJOR:MINOR of a disk that may be limited. */
export function rows(disk: string): Readonly<Record<string, Row>> {
  const device = (rate: number) => {
    const [major, minor] = disk.split(":").map(Number);
    return { major, minor, rate };
  };
  const memory = (property: string, file: string, first: object, second: object): Row => ({
    resources: first,
    held: { show: { [property]: `${64 * MIB}` }, files: { [file]: `${64 * MIB}` } },
    update: second,
    updated: { show: { [property]: `${96 * MIB}` }, files: { [file]: `${96 * MIB}` } },
    needs: file,
  });
  const unified = (property: string, file: string) =>
    memory(property, file, { unified: { [file]: `${64 * MIB}` } }, { unified: { [file]: "96M" } });
  return {
    "memory limit, in whole pages": {
      resources: { memory: { limit: 64 * MIB + 1 } },
      held: { show: { MemoryMax: `${64 * MIB}` }, files: { "memory.max": `${64 * MIB}` } },
      update: { memory: { limit: 96 * MIB + 4095 } },
      updated: { show: { MemoryMax: `${96 * MIB}` }, files: { "memory.max": `${96 * MIB}` } },
    },
    "no memory limit": {
      resources: { memory: { limit: 64 * MIB, swap: 128 * MIB } },
      held: {
        show: { MemoryMax: `${64 * MIB}`, MemorySwapMax: `${64 * MIB}` },
        files: { "memory.max": `${64 * MIB}`, "memory.swap.max": `${64 * MIB}` },
      },
      update: { memory: { limit: -1, swap: -1 } },
      updated: {
        show: { MemoryMax: "infinity", MemorySwapMax: "infinity" },
        files: { "memory.max": "max", "memory.swap.max": "max" },
      },
    },
    "memory reservation": memory(
      "MemoryLow",
      "memory.low",
      { memory: { reservation: 64 * MIB } },
      { memory: { reservation: 96 * MIB } },
    ),
    "unified memory.max": unified("MemoryMax", "memory.max"),
    "unified memory.high": unified("MemoryHigh", "memory.high"),
    "unified memory.low": unified("MemoryLow", "memory.low"),
    "unified memory.min": unified("MemoryMin", "memory.min"),
    "unified memory.swap.max": unified("MemorySwapMax", "memory.swap.max"),
    "cpu shares": {
      resources: { cpu: { shares: 2048 } },
      held: { show: { CPUWeight: "174" }, files: { "cpu.weight": "174", "cpu.idle": "0" } },
      update: { cpu: { shares: 512 } },
      updated: { show: { CPUWeight: "59" }, files: { "cpu.weight": "59", "cpu.idle": "0" } },
    },
    "cpu idle, and no longer": {
      resources: { cpu: { idle: 1 } },
      held: { show: { CPUWeight: "idle" }, files: { "cpu.idle": "1" } },
      update: { cpu: { idle: 0 } },
      updated: { show: { CPUWeight: "100" }, files: { "cpu.idle": "0", "cpu.weight": "100" } },
    },
    "cpu idle with shares": {
      resources: { cpu: { shares: 1024 } },
      held: { show: { CPUWeight: "100" }, files: { "cpu.idle": "0" } },
      update: { cpu: { idle: 1, shares: 2048 } },
      updated: { show: { CPUWeight: "idle" }, files: { "cpu.idle": "1" } },
    },
    "unified cpu.weight, then cpu.weight.nice": {
      resources: { unified: { "cpu.weight": "77" } },
      held: { show: { CPUWeight: "77" }, files: { "cpu.weight": "77" } },
      update: { unified: { "cpu.weight.nice": "-5" } },
      updated: { show: { CPUWeight: "305" }, files: { "cpu.weight": "305", "cpu.weight.nice": "-5" } },
    },
    "cpu quota that is no whole percent": {
      resources: { cpu: { quota: 500_000, period: 900_000 } },
      held: {
        show: { CPUQuotaPerSecUSec: "560ms", CPUQuotaPeriodUSec: "900ms" },
        files: { "cpu.max": "504000 900000" },
      },
      update: { cpu: { quota: 12_345 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "20ms", CPUQuotaPeriodUSec: "900ms" },
        files: { "cpu.max": "18000 900000" },
      },
    },
    "cpu period alone, then no quota": {
      resources: { unified: { "cpu.max": "33333 100000" } },
      held: {
        show: { CPUQuotaPerSecUSec: "340ms", CPUQuotaPeriodUSec: "100ms" },
        files: { "cpu.max": "34000 100000" },
      },
      update: { cpu: { period: 30_000 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "1.140000s", CPUQuotaPeriodUSec: "30ms" },
        files: { "cpu.max": "34200 30000" },
      },
    },
    "no cpu quota": {
      resources: { cpu: { quota: 50_000, period: 50_000 } },
      held: { show: { CPUQuotaPerSecUSec: "1s" }, files: { "cpu.max": "50000 50000" } },
      update: { cpu: { quota: -1 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "infinity", CPUQuotaPeriodUSec: "100ms" },
        files: { "cpu.max": "max 100000" },
      },
    },
    cpuset: {
      resources: { cpu: { cpus: "0", mems: "0" } },
      held: { show: { AllowedCPUs: "0", AllowedMemoryNodes: "0" }, files: { "cpuset.cpus": "0", "cpuset.mems": "0" } },
      update: { cpu: { cpus: "0,1" } },
      updated: { show: { AllowedCPUs: "0-1", AllowedMemoryNodes: "0" }, files: { "cpuset.cpus": "0-1" } },
    },
    "unified cpuset.cpus": {
      resources: { unified: { "cpuset.cpus": "0-1:1/2" } },
      held: { show: { AllowedCPUs: "0" }, files: { "cpuset.cpus": "0" } },
      update: { unified: { "cpuset.cpus": "1" } },
      updated: { show: { AllowedCPUs: "1" }, files: { "cpuset.cpus": "1" } },
    },
    pids: {
      resources: { pids: { limit: 50 } },
      held: { show: { TasksMax: "50" }, files: { "pids.max": "50" } },
      update: { pids: { limit: -1 } },
      updated: { show: { TasksMax: "infinity" }, files: { "pids.max": "max" } },
    },
    "unified pids.max": {
      resources: { unified: { "pids.max": "max" } },
      held: { show: { TasksMax: "infinity" }, files: { "pids.max": "max" } },
      update: { unified: { "pids.max": "0" } },
      updated: { show: { TasksMax: "1" }, files: { "pids.max": "1" } },
    },
    "io weight": {
      resources: { blockIO: { weight: 500 } },
      held: { show: { IOWeight: "4500" }, files: { "io.bfq.weight": "default 500" } },
      update: { blockIO: { weight: 10 } },
      updated: { show: { IOWeight: "10" }, files: { "io.bfq.weight": "default 10" } },
      needs: "io.bfq.weight",
    },
    "unified io.weight": {
      resources: { unified: { "io.weight": "default 300" } },
      held: { show: { IOWeight: "300" }, files: { "io.weight": "default 300" } },
      update: { unified: { "io.weight": "77" } },
      updated: { show: { IOWeight: "77" }, files: { "io.weight": "default 77" } },
      needs: "io.weight",
    },
    "io limits": {
      resources: {
        blockIO: {
          throttleReadBpsDevice: [device(1 * MIB)],
          throttleWriteIOPSDevice: [device(100)],
        },
      },
      held: {
        show: { IOReadBandwidthMax: `/dev/block/${disk} ${MIB}`, IOWriteIOPSMax: `/dev/block/${disk} 100` },
        files: { "io.max": `${disk} rbps=${MIB} wbps=max riops=max wiops=100` },
      },
      update: { blockIO: { throttleReadBpsDevice: [device(2 * MIB)] } },
      updated: {
        show: { IOReadBandwidthMax: `/dev/block/${disk} ${2 * MIB}`, IOWriteIOPSMax: `/dev/block/${disk} 100` },
        files: { "io.max": `${disk} rbps=${2 * MIB} wbps=max riops=max wiops=100` },
      },
      needs: "io.max",
    },
    "unified io.max": {
      resources: { unified: { "io.max": `${disk} wbps=${MIB} riops=50` } },
      held: {
        show: { IOWriteBandwidthMax: `/dev/block/${disk} ${MIB}`, IOReadIOPSMax: `/dev/block/${disk} 50` },
        files: { "io.max": `${disk} rbps=max wbps=${MIB} riops=50 wiops=max` },
      },
      update: { unified: { "io.max": `${disk} wbps=max` } },
      updated: {
        show: { IOReadIOPSMax: `/dev/block/${disk} 50` },
        files: { "io.max": `${disk} rbps=max wbps=max riops=50 wiops=max` },
      },
      needs: "io.max",
    },
    "nothing that was asked for": {
      resources: {},
      held: {
        show: { MemoryMax: "infinity", CPUWeight: "[not set]" },
        files: { "memory.max": "max", "cpu.weight": "100" },
      },
      update: { memory: { limit: 64 * MIB } },
      updated: { show: { MemoryMax: `${64 * MIB}`, CPUWeight: "[not set]" }, files: { "cpu.weight": "100" } },
    },
  };
}
