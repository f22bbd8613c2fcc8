/** What is written to the control files for `linux.resources`. */
import { blockDevice, readControl } from "./lib/cgroup.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { type Lack, lacksCgroup, lacksControlFiles } from "./lib/needs.ts";

area();

const V2 = cgroupVersion() === 2;
const MB = 1 << 20;

interface Row {
  /** What the resources are, in words. */
  readonly what: string;
  readonly resources: Record<string, unknown>;
  /** Controller, then control file and content, per layout; absent where the layout has no such thing. */
  readonly v1?: readonly [controller: string, files: Readonly<Record<string, string | RegExp>>];
  readonly v2?: readonly [controller: string, files: Readonly<Record<string, string | RegExp>>];
}

/** The conversion of runtime-spec's config-linux.md readers: cgroup v1 shares 2…262144 to v2 weight 1…10000. */
const LINEAR_OR_QUADRATIC: Readonly<Record<number, RegExp>> = {
  2: /^1$/,
  1024: /^(39|100)$/,
  262144: /^10000$/,
};

const ROWS: readonly Row[] = [
  {
    what: "memory.limit",
    resources: { memory: { limit: 64 * MB } },
    v1: ["memory", { "memory.limit_in_bytes": String(64 * MB) }],
    v2: ["memory", { "memory.max": String(64 * MB) }],
  },
  {
    what: "memory.limit -1",
    resources: { memory: { limit: -1 } },
    v1: ["memory", { "memory.limit_in_bytes": /^9223372036854\d+$/ }],
    v2: ["memory", { "memory.max": "max" }],
  },
  {
    what: "memory.reservation",
    resources: { memory: { reservation: 32 * MB } },
    v1: ["memory", { "memory.soft_limit_in_bytes": String(32 * MB) }],
    v2: ["memory", { "memory.low": String(32 * MB) }],
  },
  {
    what: "memory.limit with swap as the sum of both",
    resources: { memory: { limit: 64 * MB, swap: 100 * MB } },
    v1: ["memory", { "memory.limit_in_bytes": String(64 * MB), "memory.memsw.limit_in_bytes": String(100 * MB) }],
    v2: ["memory", { "memory.max": String(64 * MB), "memory.swap.max": String(36 * MB) }],
  },
  {
    what: "memory.swap -1",
    resources: { memory: { limit: 64 * MB, swap: -1 } },
    v1: ["memory", { "memory.memsw.limit_in_bytes": /^9223372036854\d+$/ }],
    v2: ["memory", { "memory.swap.max": "max" }],
  },
  {
    what: "memory.swappiness",
    resources: { memory: { swappiness: 17 } },
    v1: ["memory", { "memory.swappiness": "17" }],
  },
  {
    what: "memory.disableOOMKiller",
    resources: { memory: { disableOOMKiller: true } },
    v1: ["memory", { "memory.oom_control": /^oom_kill_disable 1/ }],
  },
  {
    what: "cpu.shares 512",
    resources: { cpu: { shares: 512 } },
    v1: ["cpu", { "cpu.shares": "512" }],
    v2: ["cpu", { "cpu.weight": /^(20|59)$/ }],
  },
  ...[2, 1024, 262144].map(
    (shares): Row => ({
      what: `cpu.shares ${shares}`,
      resources: { cpu: { shares } },
      v1: ["cpu", { "cpu.shares": String(shares) }],
      v2: ["cpu", { "cpu.weight": LINEAR_OR_QUADRATIC[shares] ?? "" }],
    }),
  ),
  {
    what: "cpu.quota and period",
    resources: { cpu: { quota: 150_000, period: 50_000 } },
    v1: ["cpu", { "cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "50000" }],
    v2: ["cpu", { "cpu.max": "150000 50000" }],
  },
  {
    what: "cpu.quota alone",
    resources: { cpu: { quota: 20_000 } },
    v1: ["cpu", { "cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "100000" }],
    v2: ["cpu", { "cpu.max": "20000 100000" }],
  },
  {
    what: "cpu.period alone",
    resources: { cpu: { period: 50_000 } },
    v1: ["cpu", { "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "50000" }],
    v2: ["cpu", { "cpu.max": "max 50000" }],
  },
  {
    what: "cpu.quota -1",
    resources: { cpu: { quota: -1, period: 100_000 } },
    v1: ["cpu", { "cpu.cfs_quota_us": "-1" }],
    v2: ["cpu", { "cpu.max": "max 100000" }],
  },
  {
    what: "cpu.burst",
    resources: { cpu: { quota: 100_000, period: 100_000, burst: 50_000 } },
    v1: ["cpu", { "cpu.cfs_burst_us": "50000" }],
    v2: ["cpu", { "cpu.max.burst": "50000" }],
  },
  {
    what: "cpu.idle",
    resources: { cpu: { idle: 1 } },
    v1: ["cpu", { "cpu.idle": "1" }],
    v2: ["cpu", { "cpu.idle": "1" }],
  },
  {
    what: "cpu.realtimeRuntime and realtimePeriod",
    resources: { cpu: { realtimeRuntime: 40_000, realtimePeriod: 900_000 } },
    v1: ["cpu", { "cpu.rt_runtime_us": "40000", "cpu.rt_period_us": "900000" }],
  },
  {
    what: "cpuset cpus and mems",
    resources: { cpu: { cpus: "0", mems: "0" } },
    v1: ["cpuset", { "cpuset.cpus": "0", "cpuset.mems": "0" }],
    v2: ["cpuset", { "cpuset.cpus": "0", "cpuset.mems": "0" }],
  },
  {
    what: "pids.limit",
    resources: { pids: { limit: 42 } },
    v1: ["pids", { "pids.max": "42" }],
    v2: ["pids", { "pids.max": "42" }],
  },
  {
    what: "pids.limit -1",
    resources: { pids: { limit: -1 } },
    v1: ["pids", { "pids.max": "max" }],
    v2: ["pids", { "pids.max": "max" }],
  },
  {
    what: "blockIO.weight",
    resources: { blockIO: { weight: 500 } },
    v1: ["blkio", { "blkio.bfq.weight": /^(default )?500$/ }],
    v2: ["io", { "io.bfq.weight": /^(default )?500$/ }],
  },
  {
    what: "network classID and priorities",
    resources: { network: { classID: 1048577, priorities: [{ name: "lo", priority: 7 }] } },
    v1: ["net_cls", { "net_cls.classid": "1048577" }],
  },
  {
    what: "hugepageLimits",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4 * MB }] },
    v1: [
      "hugetlb",
      { "hugetlb.2MB.limit_in_bytes": String(4 * MB), "hugetlb.2MB.rsvd.limit_in_bytes": String(4 * MB) },
    ],
    v2: ["hugetlb", { "hugetlb.2MB.max": String(4 * MB), "hugetlb.2MB.rsvd.max": String(4 * MB) }],
  },
  {
    what: "unified",
    resources: { unified: { "memory.high": String(48 * MB), "pids.max": "77" } },
    v2: ["memory", { "memory.high": String(48 * MB), "pids.max": "77" }],
  },
];

function lacksFiles(expected: Row["v1"]): Lack {
  if (expected === undefined) return `cgroup v${V2 ? 1 : 2}`;
  return lacksControlFiles(expected[0], Object.keys(expected[1]));
}

for (const row of ROWS) {
  const expected = (V2 ? row.v2 : row.v1) ?? (["", {}] as const);
  given(lacksFiles(V2 ? row.v2 : row.v1), () => {
    check(`resources: ${row.what}`, async (t) => {
      const c = t.container((spec) => {
        spec.linux.resources = row.resources;
      });
      c.spec.process.args = ["/bin/probe", "wait"];
      await c.create();
      const pid = await c.pid();
      const compare = () => {
        for (const [file, content] of Object.entries(expected[1])) {
          const found = readControl(pid, expected[0], file);
          if (typeof content === "string") expect({ file, found }).toEqual({ file, found: content });
          else expect(found).toMatch(content);
        }
      };
      compare();
      await c.start();
      await c.waitForOutput("ready");
      compare(); // start must not reset anything
    });
  });
}

const device = blockDevice() ?? { major: 0, minor: 0 };
const throttles = lacksControlFiles(V2 ? "io" : "blkio", [V2 ? "io.max" : "blkio.throttle.read_bps_device"]);
given(device.major === 0 ? "a block device" : throttles, () => {
  check("resources: blockIO throttles of a device", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = {
        blockIO: {
          throttleReadBpsDevice: [{ ...device, rate: 1 * MB }],
          throttleWriteBpsDevice: [{ ...device, rate: 2 * MB }],
          throttleReadIOPSDevice: [{ ...device, rate: 300 }],
          throttleWriteIOPSDevice: [{ ...device, rate: 400 }],
        },
      };
    });
    await c.create();
    const pid = await c.pid();
    const id = `${device.major}:${device.minor}`;
    if (V2) expect(readControl(pid, "io", "io.max")).toBe(`${id} rbps=${MB} wbps=${2 * MB} riops=300 wiops=400`);
    else
      expect(
        ["read_bps", "write_bps", "read_iops", "write_iops"].map((name) =>
          readControl(pid, "blkio", `blkio.throttle.${name}_device`),
        ),
      ).toEqual([`${id} ${MB}`, `${id} ${2 * MB}`, `${id} 300`, `${id} 400`]);
  });
});

given(lacksCgroup(2), () => {
  for (const file of ["banana.max", "hugetlb.banana"])
    check(`unified with a controller or file that is not there is refused: ${file}`, async (t) => {
      const c = t.container((spec) => {
        spec.linux.resources = { unified: { [file]: "1" } };
      });
      expect((await c.tryCreate()).code).not.toBe(0);
      expect(await t.leftNow()).toEqual([]);
    });
});
