import { expect, test } from "bun:test";
import { oomCount } from "../../src/cgroups/oom.ts";
import { readStats, stringifyStats } from "../../src/cgroups/stats.ts";
import type { CgroupRecord } from "../../src/cgroups/types.ts";
import { fakeHost } from "./fake-host.ts";

const V2: CgroupRecord = { version: "v2", manager: "cgroupfs", paths: { "": "/c" } };
const HUGE = { "/sys/kernel/mm/hugepages/hugepages-2048kB/nr": "", "/sys/kernel/mm/hugepages/hugepages-64kB/nr": "" };

test("v2: the whole line, as runc prints it", () => {
  const host = fakeHost({
    ...HUGE,
    "/c/cpu.stat":
      "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 77\n",
    "/c/cpu.pressure":
      "some avg10=1.50 avg60=0.25 avg300=0.00 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "/c/memory.stat": "file 4096\nanon 100\n",
    "/c/memory.current": "8192\n",
    "/c/memory.max": "1000000\n",
    "/c/memory.peak": "9000\n",
    "/c/memory.swap.current": "10\n",
    "/c/memory.swap.max": "500\n",
    "/c/pids.current": "3\n",
    "/c/pids.max": "max\n",
    "/c/io.stat": "8:0 rbytes=1024 wbytes=0 rios=2 wios=0 dbytes=0 dios=0\n",
    "/c/hugetlb.2MB.rsvd.current": "2097152\n",
    "/c/hugetlb.2MB.events": "max 5\n",
  });
  expect(stringifyStats(readStats(V2, host))).toBe(
    '{"cpu":{"usage":{"total":3000000,"kernel":1000000,"user":2000000},' +
      '"throttling":{"periods":10,"throttledPeriods":4,"throttledTime":77000},' +
      '"psi":{"some":{"avg10":1.5,"avg60":0.25,"avg300":0,"total":99}}},' +
      '"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,' +
      '"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},' +
      '"memory":{"cache":4096,"usage":{"limit":1000000,"usage":8192,"max":9000,"failcnt":0},' +
      '"swap":{"limit":1000500,"usage":8202,"failcnt":0},"raw":{"anon":100,"file":4096}},' +
      '"pids":{"current":3},' +
      '"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":1024},{"major":8,"op":"Write"}],' +
      '"ioServicedRecursive":[{"major":8,"op":"Read","value":2},{"major":8,"op":"Write"}]},' +
      '"hugetlb":{"2MB":{"usage":2097152,"failcnt":5}},"intel_rdt":{},"network_interfaces":null}',
  );
});

test("v2: no limit is 2^64-1, alone and with swap", () => {
  const host = fakeHost({
    "/c/memory.current": "1\n",
    "/c/memory.max": "max\n",
    "/c/memory.swap.current": "0\n",
    "/c/memory.swap.max": "max\n",
  });
  expect(stringifyStats(readStats(V2, host).memory)).toBe(
    '{"usage":{"limit":18446744073709551615,"usage":1,"failcnt":0},' +
      '"swap":{"limit":18446744073709551615,"usage":1,"failcnt":0}}',
  );
});

test("v2 without controllers: processes are counted, the rest is absent", () => {
  const stats = readStats(V2, fakeHost({ "/c/cgroup.procs": "4\n5\n" }));
  expect(stats).toMatchObject({ cpu: {}, memory: {}, pids: { current: 2 }, blkio: {}, hugetlb: {} });
});

test("v1: figures that exceed 2^53, negative slips, block devices and huge pages", () => {
  const paths = { cpuacct: "/a", cpu: "/a", memory: "/m", blkio: "/b", hugetlb: "/h", cpuset: "/s" };
  const host = fakeHost({
    ...HUGE,
    "/a/cpuacct.stat": "user 2000000000\nsystem 5\n",
    "/a/cpuacct.usage": "20000000000000000001\n",
    "/a/cpuacct.usage_percpu": "7 8 \n",
    "/a/cpuacct.usage_all": "cpu user system\n0 1 2\n1 3 4\n",
    "/a/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
    "/m/memory.stat": "cache -4096\nrss 9\n",
    "/m/memory.usage_in_bytes": "5\n",
    "/m/memory.max_usage_in_bytes": "6\n",
    "/m/memory.failcnt": "7\n",
    "/m/memory.limit_in_bytes": "9223372036854771712\n",
    "/b/blkio.throttle.io_serviced": "8:0 Read 3\n8:0 Total 3\nTotal 3\n",
    "/b/blkio.throttle.io_service_bytes": "8:0 Read 30\n8:0 Total 30\nTotal 30\n",
    "/h/hugetlb.64KB.usage_in_bytes": "1\n",
    "/h/hugetlb.64KB.max_usage_in_bytes": "2\n",
    "/h/hugetlb.64KB.failcnt": "3\n",
    "/s/cpuset.cpus": "0-2,5\n",
    "/s/cpuset.sched_relax_domain_level": "-1\n",
  });
  const stats = readStats({ version: "v1", manager: "cgroupfs", paths }, host);
  expect(stringifyStats(stats.cpu)).toBe(
    '{"usage":{"total":20000000000000000001,"percpu":[7,8],"percpu_kernel":[2,4],"percpu_user":[1,3],' +
      '"kernel":50000000,"user":20000000000000000}}',
  );
  expect(stringifyStats(stats.memory)).toBe(
    '{"usage":{"limit":9223372036854771712,"usage":5,"max":6,"failcnt":7},"raw":{"cache":0,"rss":9}}',
  );
  expect(stats.blkio).toEqual({
    ioServiceBytesRecursive: [
      { major: 8, op: "Read", value: 30 },
      { major: 8, op: "Total", value: 30 },
    ],
    ioServicedRecursive: [
      { major: 8, op: "Read", value: 3 },
      { major: 8, op: "Total", value: 3 },
    ],
  });
  expect(stats.hugetlb).toEqual({ "64KB": { usage: 1, max: 2, failcnt: 3 } });
  expect(stats.cpuset).toMatchObject({ cpus: [0, 1, 2, 5], sched_relax_domain_level: -1 });
  expect(stats.pids).toEqual({});
});

test("OOM kills", () => {
  expect(oomCount(V2, fakeHost({ "/c/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n" }))).toBe(2);
  const v1: CgroupRecord = { version: "v1", manager: "cgroupfs", paths: { memory: "/m" } };
  expect(oomCount(v1, fakeHost({ "/m/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n" }))).toBe(4);
  expect(oomCount(v1, fakeHost({ "/m/memory.oom_control": "oom_kill_disable 0\n" }))).toBeUndefined();
  expect(oomCount({ ...v1, paths: {} }, fakeHost({}))).toBeUndefined();
});
