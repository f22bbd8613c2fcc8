import { expect, test } from "bun:test";
import { blkioToIoWeight, cpuSharesToWeight, orMax, pidsMax, swapMax } from "../../src/cgroups/convert.ts";
import { sizeName } from "../../src/cgroups/limits-other.ts";

test("cpu.shares to cpu.weight: ends, default and the quadratic between", () => {
  const table = [
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 2],
    [100, 17],
    [200, 29],
    [256, 35],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [10240, 639],
    [262143, 10000],
    [262144, 10000],
    [300000, 10000],
  ] as const;
  for (const [shares, weight] of table) expect([shares, cpuSharesToWeight(shares)]).toEqual([shares, weight]);
});

test("cpu.weight never falls while shares rise", () => {
  let last = 0;
  for (let shares = 2; shares <= 262144; shares += 17) {
    const weight = cpuSharesToWeight(shares);
    expect(weight).toBeGreaterThanOrEqual(last);
    last = weight;
  }
});

test("blkio weight to io.weight", () => {
  const table = [
    [0, 0],
    [10, 1],
    [500, 4950],
    [750, 7475],
    [1000, 10000],
  ] as const;
  for (const [blkio, io] of table) expect(blkioToIoWeight(blkio)).toBe(io);
});

test("memory.swap to memory.swap.max", () => {
  const table: readonly (readonly [number | undefined, number | undefined, bigint | string | undefined])[] = [
    [undefined, undefined, undefined],
    [0, 100, undefined],
    [undefined, -1, "max"],
    [0, -1, "max"],
    [-1, 100, "max"],
    [-1, undefined, "max"],
    [300, 100, 200n],
    [100, 100, 0n],
    [300, -1, 300n],
  ];
  for (const [swap, limit, expected] of table) expect(swapMax(swap, limit, "/s")).toBe(expected as never);
});

test("memory.swap without meaning is refused where it stands", () => {
  const fails = [
    [300, 0, "unable to set swap limit without memory limit"],
    [300, -2, "invalid memory value: -2"],
    [99, 100, "memory+swap limit should be >= memory limit"],
  ] as const;
  for (const [swap, limit, message] of fails) {
    expect(() => swapMax(swap, limit, "/s")).toThrow(expect.objectContaining({ message, at: "/s" }));
  }
});

test("swap keeps 64 bits", () => {
  expect(swapMax(9223372036854775807n, 1, "")).toBe(9223372036854775806n);
});

test("max, pids and page sizes", () => {
  expect([orMax(-1), orMax(5), orMax(-1n)]).toEqual(["max", "5", "max"]);
  expect([pidsMax(-1), pidsMax(0), pidsMax(7)]).toEqual(["max", "1", "7"]);
  expect(["hugepages-64kB", "hugepages-2048kB", "hugepages-1048576kB", "other"].map(sizeName)).toEqual([
    ["64KB"],
    ["2MB"],
    ["1GB"],
    [],
  ]);
});
