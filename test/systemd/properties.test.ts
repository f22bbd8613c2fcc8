import { expect, test } from "bun:test";
import { annotatedProperties } from "../../src/cgroups/systemd/annotations.ts";
import { exactResources } from "../../src/cgroups/systemd/exact.ts";
import { fileProperties, limitProperties, merged } from "../../src/cgroups/systemd/properties.ts";
import { TsruncError } from "../../src/errors.ts";
import type { Resources } from "../../src/spec/types-resources.ts";

const INFINITY = (1n << 64n) - 1n;

const byName = (list: ReturnType<typeof limitProperties>) =>
  Object.fromEntries(list.map(({ name, value }) => [name, value]));
/** Properties by name, of resources and of files of `unified`. */
const told = (resources: Resources) => byName(limitProperties(resources, "/linux/resources"));
const files = (unified: Record<string, string>) => byName(fileProperties(unified));

test("limits of memory and processes", () => {
  expect(told({ memory: { limit: 1048576, swap: -1, reservation: 4096 }, pids: { limit: 5 } })).toEqual({
    MemoryMax: 1048576n,
    MemorySwapMax: INFINITY,
    MemoryLow: 4096n,
    TasksMax: 5n,
  });
  expect(told({ memory: { limit: 2048000, swap: 3072000 }, pids: { limit: -1 } })).toEqual({
    MemoryMax: 2048000n,
    MemorySwapMax: 1024000n - (1024000n % 4096n),
    TasksMax: INFINITY,
  });
  expect(files({ "memory.high": "3M", "memory.min": "1g", "memory.oom.group": "1" })).toEqual({
    MemoryHigh: BigInt(3 << 20),
    MemoryMin: BigInt(1 << 30),
    OOMPolicy: "kill",
  });
  expect(files({ "memory.max": "a lot", "hugetlb.2MB.max": "1" })).toEqual({});
});

test("memory in whole pages, as the kernel counts it", () => {
  expect(told({ memory: { limit: 1000001 } })).toEqual({ MemoryMax: 999424n });
  expect(files({ "memory.max": "9223372036854775807", "memory.high": "max" })).toEqual({
    MemoryMax: INFINITY,
    MemoryHigh: INFINITY,
  });
});

test("`unified` comes after all else", () => {
  expect(told({ memory: { limit: 4096 }, unified: { "memory.max": "8192\n" } })).toEqual({ MemoryMax: 8192n });
});

test("processor time is rounded up to whole percents", () => {
  expect(told({ cpu: { quota: 25300, period: 50000 } })).toEqual({
    CPUQuotaPeriodUSec: 50000n,
    CPUQuotaPerSecUSec: 510000n,
  });
  expect(told({ cpu: { quota: 100000 } })).toEqual({ CPUQuotaPeriodUSec: 100000n, CPUQuotaPerSecUSec: 1000000n });
  expect(told({ cpu: { quota: -1 } })).toMatchObject({ CPUQuotaPerSecUSec: INFINITY });
  expect(files({ "cpu.max": "max 100000" })).toMatchObject({ CPUQuotaPerSecUSec: INFINITY });
  expect(files({ "cpu.max": "max 0" })).toEqual({});
});

test.each([
  [500000, 900000, 504000],
  [25300, 50000, 25500],
  [20100, 50000, 20500],
  [100000, 100000, 100000],
  [100001, 1000001, 110000],
  [1, 1000, 10],
  [9007199254740991, 100000, 9007199254741000],
])("a quota of %d in %d is written as %d", (quota, period, written) => {
  expect(exactResources({ cpu: { quota, period } }).cpu).toEqual({ quota: written, period });
  const unified = { "cpu.max": `${quota} ${period}` };
  expect(exactResources({ unified }).unified).toEqual({ "cpu.max": `${written} ${period}` });
});

test("what systemd can hold otherwise stays as it is", () => {
  const resources = {
    cpu: { quota: -1, period: 100000, shares: 5 },
    unified: { "cpu.max": "max 100000", "io.bfq.weight": "5" },
  };
  expect(exactResources(resources)).toEqual(resources);
  expect(exactResources({ cpu: { quota: -1, period: 5000 } }).cpu).toEqual({ quota: -1, period: 100000 });
  expect(exactResources({ cpu: { period: 5000 } }).cpu).toEqual({ quota: -1, period: 100000 });
  expect(exactResources({ unified: { "cpu.max": "max 5000" } }).unified).toEqual({ "cpu.max": "max 100000" });
  const both = { "io.bfq.weight": "500", "io.weight": "77", "pids.max": "0" };
  expect(exactResources({ unified: both }).unified).toEqual({ "io.weight": "77", "pids.max": "1" });
});

test("weights, and both scales of that of io", () => {
  expect(told({ cpu: { shares: 1024 } })).toEqual({ CPUWeight: 100n });
  expect(told({ cpu: { shares: 1024, idle: 1 } })).toEqual({ CPUWeight: 0n });
  expect(told({ blockIO: { weight: 1000 } })).toEqual({ IOWeight: 10000n });
  expect(told({ blockIO: { weight: 10 } })).toEqual({ IOWeight: 10n });
  expect(files({ "io.weight": "default 4950\n8:0 70" })).toEqual({
    IOWeight: 4950n,
    IODeviceWeight: [["/dev/block/8:0", 70n]],
  });
  expect(files({ "io.bfq.weight": "500" })).toEqual({ IOWeight: 4500n });
  expect(files({ "cpu.weight.nice": "0" })).toEqual({ CPUWeight: 100n });
  expect(files({ "cpu.weight.nice": "-20" })).toEqual({ CPUWeight: 8668n });
});

test("devices of io", () => {
  const device = { major: 8, minor: 16 };
  expect(
    told({
      blockIO: {
        weightDevice: [{ ...device, weight: 200 }],
        throttleReadBpsDevice: [
          { ...device, rate: 1 },
          { major: 7, minor: 0, rate: 3 },
        ],
        throttleWriteIOPSDevice: [{ ...device, rate: 4 }],
      },
    }),
  ).toEqual({
    IODeviceWeight: [["/dev/block/8:16", 1200n]],
    IOReadBandwidthMax: [
      ["/dev/block/8:16", 1n],
      ["/dev/block/7:0", 3n],
    ],
    IOWriteIOPSMax: [["/dev/block/8:16", 4n]],
  });
  expect(files({ "io.max": "8:0 rbps=5 wiops=max", "io.latency": "8:0 target=100" })).toEqual({
    IOReadBandwidthMax: [["/dev/block/8:0", 5n]],
    IOWriteIOPSMax: [["/dev/block/8:0", INFINITY]],
    IODeviceLatencyTargetUSec: [["/dev/block/8:0", 100n]],
  });
});

test("processors and memory nodes are bits", () => {
  expect(told({ cpu: { cpus: "0-3,7,16", mems: "1" } })).toEqual({
    AllowedCPUs: Uint8Array.of(0x8f, 0, 1),
    AllowedMemoryNodes: Uint8Array.of(2),
  });
  expect(told({ cpu: { cpus: "0-7:1/2" } })).toEqual({ AllowedCPUs: Uint8Array.of(0x55) });
  expect(told({ cpu: { cpus: "1-99999999", mems: "x" } })).toEqual({});
});

test("each property knows where it comes from", () => {
  const list = limitProperties({ pids: { limit: 5 }, unified: { "io.max": "8:0 rbps=5" } }, "/linux/resources");
  expect(list.map(({ name, at }) => [name, at])).toEqual([
    ["TasksMax", "/linux/resources/pids/limit"],
    ["IOReadBandwidthMax", "/linux/resources/unified/io.max"],
  ]);
});

test("a property given twice is the later one", () => {
  const first = { name: "CollectMode", type: "s", value: "inactive" } as const;
  expect(merged([first], [{ ...first, value: "inactive-or-failed" }])).toEqual([
    { name: "CollectMode", type: "s", value: "inactive-or-failed" },
  ]);
});

const annotated = (name: string, text: string) => annotatedProperties({ [`org.systemd.property.${name}`]: text });

test.each([
  ["TimeoutStopUSec", "uint64 9999", "TimeoutStopUSec", "9999"],
  ["TimeoutStopSec", "uint64 5", "TimeoutStopUSec", "5000000"],
  ["RuntimeMaxSec", "1.5", "RuntimeMaxUSec", "1500000"],
  ["KillSignal", "37", "KillSignal", 37],
  ["CollectMode", "'inactive-or-failed'", "CollectMode", "inactive-or-failed"],
  ["DefaultDependencies", "true", "DefaultDependencies", true],
  ["After", "['crio.service', \"a.service\"]", "After", ["crio.service", "a.service"]],
  ["Before", "@as []", "Before", []],
])("annotation %s=%s", (name, text, property, value) => {
  expect(annotated(name, text)).toMatchObject([{ name: property, value }]);
});

test.each([
  ["SuccessAction", "'reboot'"],
  ["ExecStart", "''"],
  ["OnFailure", "['x.service']"],
  ["MemoryMax", "uint64 1"],
  ["Slice", "'system.slice'"],
  ["PIDs", "[uint32 1]"],
  ["toString", "'x'"],
  ["TimeoutStopUSec", "'5'"],
  ["TimeoutStopUSec", "uint64 99999999999999999999"],
  ["KillSignal", "9 9"],
  ["CollectMode", "inactive"],
  ["After", "['a', b]"],
])("annotation %s=%s is refused", (name, text) => {
  expect(() => annotated(name, text)).toThrow(TsruncError);
});

test("other annotations are none of systemd's", () => {
  expect(annotatedProperties({ "org.example": "1" })).toEqual([]);
});
