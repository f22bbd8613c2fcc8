import { expect, test } from "bun:test";
import { annotatedProperties } from "../../src/cgroups/systemd/annotations.ts";
import { merged, propertiesOf } from "../../src/cgroups/systemd/properties.ts";
import { TsruncError } from "../../src/errors.ts";

const INFINITY = "18446744073709551615";

/** Properties by name, from `file value` pairs. */
function told(...writes: readonly (readonly [file: string, text: string])[]): Record<string, unknown> {
  const ops = writes.map(([file, text]) => ({ op: "write", path: `/c/${file}`, text, flags: 0, ignore: [] }) as const);
  return Object.fromEntries(propertiesOf(ops).map(({ name, value }) => [name, value]));
}

test("limits of memory and processes", () => {
  expect(told(["memory.max", "1048576"], ["memory.swap.max", "max"], ["memory.low", "0"], ["pids.max", "5"])).toEqual({
    MemoryMax: "1048576",
    MemorySwapMax: INFINITY,
    MemoryLow: "0",
    TasksMax: "5",
  });
  // Of `unified`, which may say it as the kernel reads it.
  expect(told(["memory.high", "3M"], ["memory.min", "1g"], ["memory.oom.group", "1"])).toEqual({
    MemoryHigh: `${3 << 20}`,
    MemoryMin: `${1 << 30}`,
    OOMPolicy: "kill",
  });
  expect(told(["memory.max", "a lot"], ["hugetlb.2MB.max", "1"])).toEqual({});
});

test("the later of two writes counts", () => {
  expect(told(["memory.max", "1"], ["memory.max", "2"])).toEqual({ MemoryMax: "2" });
});

test("processor time is rounded up to whole percents", () => {
  expect(told(["cpu.max", "25300 50000"])).toEqual({ CPUQuotaPeriodUSec: "50000", CPUQuotaPerSecUSec: "510000" });
  expect(told(["cpu.max", "100000 100000"])).toMatchObject({ CPUQuotaPerSecUSec: "1000000" });
  expect(told(["cpu.max", "max 100000"])).toMatchObject({ CPUQuotaPerSecUSec: INFINITY });
  expect(told(["cpu.max", "max 0"])).toEqual({});
});

test("weights, and both scales of that of io", () => {
  expect(told(["cpu.weight", "39"])).toEqual({ CPUWeight: "39" });
  expect(told(["cpu.weight", "39"], ["cpu.idle", "1"])).toEqual({ CPUWeight: "0" });
  expect(told(["io.bfq.weight", "1000"])).toEqual({ IOWeight: "10000" });
  expect(told(["io.bfq.weight", "500"], ["io.weight", "default 4950"])).toEqual({ IOWeight: "4950" });
  expect(told(["io.weight", "77"], ["io.bfq.weight", "500"])).toEqual({ IOWeight: "77" });
  expect(told(["io.bfq.weight", "8:0 500"])).toEqual({});
});

test("processors and memory nodes are bits", () => {
  expect(told(["cpuset.cpus", "0-3,7,16"], ["cpuset.mems", "1"])).toEqual({
    AllowedCPUs: [0x8f, 0, 1],
    AllowedMemoryNodes: [2],
  });
  expect(told(["cpuset.cpus", "1-99999999"], ["cpuset.mems", "x"])).toEqual({});
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
