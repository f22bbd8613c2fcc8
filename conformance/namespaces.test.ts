import { readFileSync, readlinkSync, statSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { cgroupMounts } from "./lib/leaks.ts";
import { startCommand, until } from "./lib/runtime.ts";
import { dropNamespace, SYSFS, setNamespace, useUserNamespace } from "./lib/spec.ts";

area();

function expectWithin(value: number, from: number, to: number): void {
  expect(value).toBeGreaterThanOrEqual(from);
  expect(value).toBeLessThan(to);
}

/** Name in config.json and name in /proc/PID/ns. */
const KINDS = [
  ["cgroup", "cgroup"],
  ["ipc", "ipc"],
  ["mount", "mnt"],
  ["network", "net"],
  ["pid", "pid"],
  ["time", "time"],
  ["user", "user"],
  ["uts", "uts"],
] as const;

function host(kind: string): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

for (const [type, kind] of KINDS) {
  check(`a new ${type} namespace is not the host's`, async (t) => {
    const c = t.container((spec) => {
      if (type === "user") useUserNamespace(spec);
      else setNamespace(spec, type);
    });
    const { namespaces } = (await c.probe("report")).report;
    expect(namespaces[kind]).toMatch(new RegExp(`^${kind}:\\[`));
    expect(namespaces[kind]).not.toBe(host(kind));
  });

  if (type !== "mount")
    check(`without a ${type} namespace in config.json the container is in the host's`, async (t) => {
      const c = t.container((spec) => {
        dropNamespace(spec, type);
      });
      expect((await c.probe("report")).report.namespaces[kind]).toBe(host(kind));
    });

  if (type !== "mount" && type !== "user")
    // these two need more preparation: see below
    check(`a ${type} namespace is joined by path`, async (t) => {
      const first = t.container((spec) => {
        setNamespace(spec, type);
      });
      await first.up();
      const path = `/proc/${await first.pid()}/ns/${kind}`;
      const second = t.container((spec) => {
        setNamespace(spec, type, path);
      });
      expect((await second.probe("report")).report.namespaces[kind]).toBe(readlinkSync(path));
    });

  check(`a ${type} namespace path that does not exist is refused`, async (t) => {
    const c = t.container((spec) => {
      setNamespace(spec, type, "/nonexistent/ns");
    });
    expect((await c.run()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });

  check(`a ${type} namespace path of another type is refused`, async (t) => {
    const c = t.container((spec) => {
      setNamespace(spec, type, `/proc/${process.pid}/ns/${kind === "uts" ? "ipc" : "uts"}`);
    });
    expect((await c.run()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });
}

check("two containers that name no paths share no namespace", async (t) => {
  const one = (await t.container().probe("report")).report.namespaces;
  const first = t.container();
  await first.up();
  const pid = await first.pid();
  const two = (await t.container().probe("report")).report.namespaces;
  for (const kind of ["cgroup", "ipc", "mnt", "net", "pid", "uts"]) {
    expect(readlinkSync(`/proc/${pid}/ns/${kind}`)).not.toBe(host(kind));
    expect(two[kind]).not.toBe(readlinkSync(`/proc/${pid}/ns/${kind}`));
    expect(one[kind]).not.toBe(host(kind));
  }
});

check("a process joined into a pid namespace sees the other's processes", async (t) => {
  const first = t.container();
  await first.up();
  const second = t.container((spec) => {
    dropNamespace(spec, "pid");
  });
  setNamespace(second.spec, "pid", `/proc/${await first.pid()}/ns/pid`);
  const result = await second.probe("report", "read=/proc/1/cmdline");
  expect(result.report.pid).toBeGreaterThan(1);
  expect(result.data("/proc/1/cmdline")).toContain("/bin/probe");
});

check("a user namespace is joined by path together with what it owns", async (t) => {
  const first = t.container(useUserNamespace);
  await first.up();
  const pid = await first.pid();
  const second = t.container((spec) => {
    setNamespace(spec, "user", `/proc/${pid}/ns/user`);
  });
  const { report } = await second.probe("report");
  expect(report.namespaces.user).toBe(readlinkSync(`/proc/${pid}/ns/user`));
  expect(report.uidMap.map((line) => line.trim().split(/\s+/))).toEqual([["0", "100000", "65536"]]);
});

check("a mount namespace is joined by path", async (t) => {
  const holder = startCommand([
    "unshare",
    "-m",
    "--propagation",
    "private",
    "/bin/sh",
    "-c",
    "echo ready; exec sleep 1000",
  ]);
  t.cleanup(() => {
    holder.child.kill("SIGKILL");
  });
  await until("the holder", () => readFileSync(holder.stdoutFile, "utf8").includes("ready"));
  const path = `/proc/${holder.child.pid}/ns/mnt`;
  const c = t.container((spec) => {
    setNamespace(spec, "mount", path);
  });
  expect((await c.probe("report")).report.namespaces.mnt).toBe(readlinkSync(path));
});

check("a new network namespace has only a loopback, and it is up", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(SYSFS);
  });
  const result = await c.probe("ls=/sys/class/net", "read=/sys/class/net/lo/flags");
  expect(result.of("ls=/sys/class/net")).toEqual(["lo"]);
  expect(Number(result.data("/sys/class/net/lo/flags")) & 1).toBe(1);
});

check("user namespace mappings are exactly those of config.json", async (t) => {
  const c = t.container((spec) => {
    setNamespace(spec, "user");
    spec.linux.uidMappings = [
      { containerID: 0, hostID: 100000, size: 1000 },
      { containerID: 1000, hostID: 300000, size: 5 },
    ];
    spec.linux.gidMappings = [
      { containerID: 0, hostID: 200000, size: 1000 },
      { containerID: 5000, hostID: 0, size: 1 },
    ];
  });
  const { report } = await c.probe("report");
  const table = (lines: readonly string[]) => lines.map((line) => line.trim().split(/\s+/).map(Number));
  expect(table(report.uidMap)).toEqual([
    [0, 100000, 1000],
    [1000, 300000, 5],
  ]);
  expect(table(report.gidMap)).toEqual([
    [0, 200000, 1000],
    [5000, 0, 1],
  ]);
});

check("root in a user namespace is the mapped user outside", async (t) => {
  const c = t.container(useUserNamespace);
  await c.up();
  const status = readFileSync(`/proc/${await c.pid()}/status`, "utf8");
  expect(status).toMatch(/^Uid:\t100000\t100000\t100000\t100000$/m);
  expect(status).toMatch(/^Gid:\t200000\t200000\t200000\t200000$/m);
});

check("root in a user namespace has the capabilities of config.json and the tmpfs of /dev belongs to it", async (t) => {
  const c = t.container(useUserNamespace);
  const result = await c.probe("report", "stat=/dev", "stat=/etc/passwd");
  expect(result.report.caps.effective).toBe("a80425fb");
  expect(result.stat("stat=/dev").uid).toBe(0);
  expect(result.stat("stat=/etc/passwd").uid).toBe(65534); // the host's root is nobody inside
});

check("default devices work in a user namespace", async (t) => {
  const c = t.container(useUserNamespace);
  const result = await c.probe("openrw=/dev/null", "openrw=/dev/zero", "openr=/dev/urandom", "stat=/dev/null");
  expect(["openrw=/dev/null", "openrw=/dev/zero", "openr=/dev/urandom"].map((op) => result.of(op))).toEqual([
    "OK",
    "OK",
    "OK",
  ]);
  expect(result.stat("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
});

check("time offsets shift the clocks of a new time namespace", async (t) => {
  const c = t.container((spec) => {
    setNamespace(spec, "time");
    spec.linux.timeOffsets = { monotonic: { secs: 1000, nanosecs: 500 }, boottime: { secs: 7200 } };
  });
  const before = await t.container().probe("report");
  const { report } = await c.probe("report");
  expectWithin(report.boottime - before.report.boottime, 7200, 7260);
  expectWithin(report.monotonic - before.report.monotonic, 1000, 1060);
});

check("negative time offsets shift the clocks back", async (t) => {
  // Linux takes no offset to before its own start, and a VM may have been up for less than a minute.
  const back = Math.min(50, Math.floor(Number.parseFloat(readFileSync("/proc/uptime", "utf8")) - 1));
  const c = t.container((spec) => {
    setNamespace(spec, "time");
    spec.linux.timeOffsets = { boottime: { secs: -back }, monotonic: { secs: -Math.min(20, back), nanosecs: 1 } };
  });
  const { report } = await c.probe("report");
  const now = Number(readFileSync("/proc/uptime", "utf8").split(".")[0]);
  expectWithin(now - report.boottime, back - 5, back + 6);
});

check("in a cgroup namespace the container's own cgroup is the root", async (t) => {
  const { report } = await t.container().probe("report");
  for (const line of report.cgroup) expect(line.split(":").slice(2).join(":")).toBe("/");
});

check("without a cgroup namespace the container sees its full cgroup path", async (t) => {
  const c = t.container((spec) => {
    dropNamespace(spec, "cgroup");
  });
  const { report } = await c.probe("report");
  expect(cgroupMounts().length).toBeGreaterThan(0);
  expect(report.cgroup.some((line) => line.endsWith(`/${c.id}`) || line.includes(c.id))).toBe(true);
});

check("an IPC namespace hides the host's and others' message queues", async (t) => {
  const mqueue = {
    destination: "/dev/mqueue",
    type: "mqueue",
    source: "mqueue",
    options: ["nosuid", "noexec", "nodev"],
  };
  const c = t.container((spec) => {
    spec.mounts.push(mqueue);
  });
  expect((await c.probe("mq=/mine", "ls=/dev/mqueue")).of("ls=/dev/mqueue")).toEqual(["mine"]);
  const other = t.container((spec) => {
    spec.mounts.push(mqueue);
  });
  expect((await other.probe("ls=/dev/mqueue")).of("ls=/dev/mqueue")).toEqual([]);
});

check("namespaces in any order in config.json work", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    setNamespace(spec, "time");
    spec.linux.namespaces.reverse();
  });
  expect((await c.probe("report")).report.uids).toEqual([0, 0, 0]);
  expect(statSync("/proc/self/ns/user").ino).toBe(statSync(`/proc/${process.pid}/ns/user`).ino);
});

check("namespaces that the user namespace does not own are joined, by exec too", async (t) => {
  const first = t.container();
  await first.up();
  const pid = await first.pid();
  const second = t.container((spec) => {
    useUserNamespace(spec);
    for (const [type, file] of [
      ["network", "net"],
      ["ipc", "ipc"],
      ["uts", "uts"],
    ] as const)
      setNamespace(spec, type, `/proc/${pid}/ns/${file}`);
  });
  await second.up();
  const links = (of: number) => ["net", "ipc", "uts"].map((file) => readlinkSync(`/proc/${of}/ns/${file}`));
  expect(links(await second.pid())).toEqual(links(pid));
  const result = await second.verb("exec", "/bin/readlink", "/proc/self/ns/net");
  expect(result.stdout.trim()).toBe(readlinkSync(`/proc/${pid}/ns/net`));
  await second.down();
});
