import { expect, test } from "bun:test";
import { writeOp } from "../../src/cgroups/limits.ts";
import { oomState } from "../../src/cgroups/oom.ts";
import { rollbackPlan } from "../../src/cgroups/rollback.ts";
import type { CgroupRecord } from "../../src/cgroups/types.ts";
import { fakeHost } from "./fake-host.ts";

function rollback(
  files: Readonly<Record<string, string>>,
  ...writes: readonly (readonly [string, string])[]
): string[] {
  const ops = rollbackPlan(
    writes.map(([path, text]) => writeOp(path, text)),
    fakeHost(files),
  );
  return ops.map((op) => (op.op === "write" ? `${op.path}=${op.text}` : op.op));
}

test("values are put back last first", () => {
  const files = { "/m/memory.max": "100\n", "/m/memory.swap.max": "max\n", "/c/cpu.max": "max 100000\n" };
  expect(
    rollback(files, ["/m/memory.swap.max", "5"], ["/m/memory.max", "200"], ["/c/cpu.max", "50000 100000"]),
  ).toEqual(["/c/cpu.max=max 100000", "/m/memory.max=100", "/m/memory.swap.max=max"]);
});

test("an empty value is put back by a line feed, what cannot be read is left", () => {
  expect(rollback({ "/c/cpuset.cpus": "\n" }, ["/c/cpuset.cpus", "0"], ["/c/gone", "1"])).toEqual([
    "/c/cpuset.cpus=\n",
  ]);
});

test("a weight that was set by a nice value is put back as a weight", () => {
  const files = { "/c/cpu.weight": "77\n", "/c/cpu.weight.nice": "1\n" };
  expect(rollback(files, ["/c/cpu.weight.nice", "-5"])).toEqual(["/c/cpu.weight=77"]);
});

test("of a file with a line for each device only that of the device is put back, or unset", () => {
  const files = {
    "/b/blkio.throttle.read_bps_device": "8:0 1000\n8:16 2000\n",
    "/c/io.max": "8:16 rbps=1 wbps=max riops=max wiops=max\n",
    "/c/io.bfq.weight": "default 100\n8:16 300\n",
    "/r/rdma.max": "mlx0 hca_handle=max hca_object=max\n",
  };
  const writes = [
    ["/b/blkio.throttle.read_bps_device", "8:16 5"],
    ["/b/blkio.throttle.read_bps_device", "8:32 5"],
    ["/c/io.max", "8:0 rbps=7"],
    ["/c/io.bfq.weight", "8:0 7"],
    ["/r/rdma.max", "mlx0 hca_handle=2"],
  ] as const;
  expect(rollback(files, ...writes)).toEqual([
    "/r/rdma.max=mlx0 hca_handle=max hca_object=max",
    "/c/io.bfq.weight=8:0 default",
    "/c/io.max=8:0 rbps=max wbps=max riops=max wiops=max",
    "/b/blkio.throttle.read_bps_device=8:32 0",
    "/b/blkio.throttle.read_bps_device=8:16 2000",
  ]);
});

test("a v1 cgroup whose OOM killer is off tells that it is out of memory", () => {
  const record: CgroupRecord = { version: "v1", manager: "cgroupfs", paths: { memory: "/m" } };
  const host = fakeHost({ "/m/memory.oom_control": "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n" });
  expect(oomState(record, host)).toEqual({ kills: 0, underOom: true });
  expect(oomState(record, fakeHost({}))).toEqual({ kills: undefined, underOom: false });
});
