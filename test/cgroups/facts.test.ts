import { expect, test } from "bun:test";
import { parseCgroupMounts, parseOwnCgroups, readCgroupFacts, unifiedControllers } from "../../src/cgroups/facts.ts";
import { fakeHost, v1Host, v2Host } from "./fake-host.ts";

test("pure v2 is told by statfs, without reading mountinfo", () => {
  const host = fakeHost(
    { "/proc/self/cgroup": "0::/user.slice\n", "/sys/fs/cgroup/user.slice/cgroup.procs": "" },
    { cgroup2: "/sys/fs/cgroup" },
  );
  const seen: string[] = [];
  const read = (path: string) => {
    seen.push(path);
    return host.read(path);
  };
  const facts = readCgroupFacts({ ...host, read });
  expect(facts.mode).toBe("v2");
  expect(facts.v2).toMatchObject({ mount: "/sys/fs/cgroup", root: "/", own: "/user.slice" });
  expect(seen).toEqual(["/proc/self/cgroup"]);
});

test("v2 of which only a part is mounted: the root comes from mountinfo", () => {
  const facts = readCgroupFacts(
    fakeHost(
      {
        "/proc/self/cgroup": "0::/docker/abc/init\n",
        "/proc/self/mountinfo": "900 880 0:27 /docker/abc /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n",
      },
      { cgroup2: "/sys/fs/cgroup" },
    ),
  );
  expect(facts.v2).toMatchObject({ root: "/docker/abc", own: "/docker/abc/init" });
});

test("v1 with co-mounted controllers and a named hierarchy", () => {
  const facts = readCgroupFacts(v1Host("/own"));
  expect(facts.mode).toBe("v1");
  const cpu = facts.v1.find((hierarchy) => hierarchy.controllers.includes("cpuacct"));
  expect(cpu).toEqual({
    controllers: ["cpu", "cpuacct"],
    mount: "/sys/fs/cgroup/cpu,cpuacct",
    root: "/",
    own: "/own",
    noPrefix: false,
  });
  expect(facts.v1.map((hierarchy) => hierarchy.controllers[0])).toContain("name=systemd");
});

test("v1 with cgroup2 beside it is hybrid", () => {
  const facts = readCgroupFacts(
    fakeHost({
      "/proc/self/cgroup": "1:memory:/a\n0::/b\n",
      "/proc/self/mountinfo":
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
        "35 31 0:32 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n" +
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n",
    }),
  );
  expect(facts.mode).toBe("hybrid");
  expect(facts.v2).toMatchObject({ mount: "/sys/fs/cgroup/unified", own: "/b" });
  expect(facts.v1).toHaveLength(1);
  expect(unifiedControllers(facts)).toEqual(["hugetlb"]);
});

test("a host without cgroups, and one with a hierarchy that is known but not mounted", () => {
  expect(readCgroupFacts(fakeHost({})).mode).toBe("none");
  const known = fakeHost({ "/proc/self/cgroup": "4:memory:/\n3:pids:/\n", "/proc/self/mountinfo": MEMORY_ONLY });
  expect(readCgroupFacts(known).v1.map((hierarchy) => hierarchy.controllers)).toEqual([["memory"]]);
});

const MEMORY_ONLY = "35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory";

test("mountinfo: octal escapes, optional fields, bind mounts and look-alikes", () => {
  const text =
    "10 1 8:1 / / rw - ext4 /dev/sda rw\n" +
    "11 10 0:30 /docker/x /mnt/with\\040space rw master:2 propagate_from:1 - cgroup cgroup rw,cpuset,noprefix\n" +
    "12 10 0:31 / /odd rw - cgrouplike x rw\n" +
    "13 10 0:32 / /u rw - cgroup2 none rw,nsdelegate\n";
  expect(parseCgroupMounts(text)).toEqual([
    { mount: "/mnt/with space", root: "/docker/x", version: 1, options: ["rw", "cpuset", "noprefix"] },
    { mount: "/u", root: "/", version: 2, options: ["rw", "nsdelegate"] },
  ]);
});

test("of mounts on the same point the last is seen, and those of /sys/fs/cgroup come first", () => {
  const facts = readCgroupFacts(
    fakeHost({
      "/proc/self/cgroup": "4:memory:/\n",
      "/proc/self/mountinfo":
        "1 0 0:1 / /elsewhere rw - cgroup cgroup rw,memory\n" +
        "2 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
        "3 0 0:1 /inner /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    }),
  );
  expect(facts.v1).toEqual([
    { controllers: ["memory"], mount: "/sys/fs/cgroup/memory", root: "/inner", own: "/", noPrefix: false },
  ]);
});

test("/proc/self/cgroup: paths with colons, and of a removed cgroup", () => {
  const own = parseOwnCgroups("12:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/gone (deleted)\n");
  expect([...own]).toEqual([
    ["cpu", "/a:b"],
    ["cpuacct", "/a:b"],
    ["name=systemd", "/s"],
    ["", "/gone"],
  ]);
});

test("v2 controllers come from the mounted root", () => {
  expect(unifiedControllers(readCgroupFacts(v2Host()))).toContain("rdma");
});
