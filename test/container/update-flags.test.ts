import { expect, test } from "bun:test";
import type { UpdateOptions } from "../../src/container/options.ts";
import { resourcesOfFlags } from "../../src/container/update-flags.ts";

function of(options: Omit<UpdateOptions, "id">): unknown {
  return resourcesOfFlags({ id: "box", ...options });
}

test("no flag, no resources", () => {
  expect(of({})).toEqual({});
});

test("sizes have units, -1 is no limit", () => {
  expect(of({ memory: "50M", memorySwap: "-1", memoryReservation: "1.5g" })).toEqual({
    memory: { limit: 50 << 20, reservation: 1.5 * 2 ** 30, swap: -1 },
  });
});

test("every flag has its place", () => {
  const flags = {
    blkioWeight: "100",
    cpuPeriod: "100000",
    cpuQuota: "-1",
    cpuBurst: "5",
    cpuShare: "2",
    cpuRtPeriod: "1000000",
    cpuRtRuntime: "10",
    cpusetCpus: "0-1",
    cpusetMems: "0",
    cpuIdle: "1",
    pidsLimit: "0",
  };
  expect(of(flags)).toEqual({
    cpu: {
      shares: 2,
      quota: -1,
      burst: 5,
      period: 100000,
      realtimeRuntime: 10,
      realtimePeriod: 1000000,
      cpus: "0-1",
      mems: "0",
      idle: 1,
    },
    pids: { limit: 0 },
    blockIO: { weight: 100 },
  });
});

test("what cannot be is refused with the name of the flag or of the field", () => {
  expect(() => of({ memory: "lots" })).toThrow("flag `--memory`: expected a size");
  expect(() => of({ cpuQuota: "1e3" })).toThrow("flag `--cpu-quota`: expected an integer");
  expect(() => of({ cpuShare: "-1" })).toThrow("flag `--cpu-share`: expected a number from 0 upwards");
  expect(() => of({ pidsLimit: "9007199254740993" })).toThrow("flag `--pids-limit`");
  expect(() => of({ cpuIdle: "2" })).toThrow("`command line` is wrong");
  expect(() => of({ memory: "20M", memorySwap: "10M" })).toThrow("`command line` is wrong");
});
