/** What root of a user namespace may not do, done from outside: devices, sysfs with the host's network. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given } from "./lib/harness.ts";
import { isTsrunc } from "./lib/host.ts";
import { lacksKernel } from "./lib/needs.ts";
import { mountEntries } from "./lib/probe.ts";
import { mountLines } from "./lib/proc.ts";
import { dropNamespace, SYSFS, setNamespace, useUserNamespace } from "./lib/spec.ts";

area();

const DEVICES = [
  [
    { path: "/dev/own", type: "c", major: 1, minor: 3 },
    { type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 },
  ],
  [
    { path: "/dev/deep/own", type: "c", major: 1, minor: 5, fileMode: 0o640, uid: 7, gid: 8 },
    { type: "c", major: 1, minor: 5, mode: 0o640, uid: 7, gid: 8 },
  ],
  [
    { path: "/dev/disk", type: "b", major: 7, minor: 200 },
    { type: "b", major: 7, minor: 200 },
  ],
  [
    { path: "/opt/u", type: "u", major: 1, minor: 9 },
    { type: "c", major: 1, minor: 9 },
  ],
  // The host's of that name is another device.
  [
    { path: "/dev/tty", type: "c", major: 1, minor: 7 },
    { type: "c", major: 1, minor: 7 },
  ],
] as const;

for (const [device, expected] of DEVICES)
  checkTsrunc(`in a user namespace there is ${device.path}, be it on the host or not`, async (t) => {
    const before = mountLines();
    const c = t.container((spec) => {
      useUserNamespace(spec);
      spec.linux.devices = [{ ...device }];
    });
    execFileSync("chown", ["-R", "100000:200000", c.rootfs]);
    const operation = `lstat=${device.path}`;
    expect((await c.probe(operation)).stat(operation)).toMatchObject({ ...expected });
    expect(mountLines()).toEqual(before);
  });

checkTsrunc("in a user namespace many devices can be used, and each is what it says", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.linux.devices = Array.from({ length: 20 }, (_, i) => ({
      path: `/dev/d${i}`,
      type: "c",
      major: 1,
      minor: 3 + (i % 3) * 2,
    }));
  });
  const result = await c.probe(...Array.from({ length: 20 }, (_, i) => `openrw=/dev/d${i}`), "ls=/", "report");
  for (let i = 0; i < 20; i++) expect(result.of(`openrw=/dev/d${i}`)).toBe("OK");
  expect(existsSync("/device")).toBe(false);
  // Nothing else of the file systems that they are on is left in the container's namespace.
  expect(mountEntries(result.report.mounts).filter(({ target }) => target.startsWith("/dev/d"))).toHaveLength(20);
});

checkTsrunc("a device of a user namespace that fails leaves nothing", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.linux.devices = [
      { path: "/dev/own", type: "c", major: 1, minor: 3 },
      { path: "/etc/passwd/x", type: "c", major: 1, minor: 3 },
    ];
  });
  const result = await c.tryCreate();
  expect([result.code, result.stderr]).toEqual([1, expect.stringContaining("/linux/devices/1")]);
});

given(lacksKernel("5.12"), () => {
  for (const joined of [false, true])
    check(
      `in a user namespace sysfs with ${joined ? "a network namespace that is joined" : "the host's network"} is the host's, read-only`,
      async (t) => {
        const c = t.container((spec) => {
          useUserNamespace(spec);
          if (joined) setNamespace(spec, "network", `/proc/${process.pid}/ns/net`);
          else dropNamespace(spec, "network");
          spec.mounts.push(SYSFS);
        });
        execFileSync("chown", ["-R", "100000:200000", c.rootfs]);
        const result = await c.probe("report", "ls=/sys", "creat=/sys/x", "openw=/sys/kernel/mm/ksm/run");
        expect(result.of("ls=/sys") as string[]).toContain("kernel");
        const below = mountEntries(result.report.mounts).filter(({ target }) => /^\/sys(\/|$)/.test(target));
        expect(below.length).toBeGreaterThan(0);
        for (const { options } of isTsrunc() ? below : below.slice(0, 1)) expect(options).toContain("ro");
        if (isTsrunc()) expect(below[0]?.options).toEqual(expect.arrayContaining(["nosuid", "nodev", "noexec"]));
      },
    );
});

checkTsrunc("in a user namespace sysfs for writing with the host's network is refused", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    dropNamespace(spec, "network");
    spec.mounts.push({ ...SYSFS, options: ["nosuid"] });
  });
  const result = await c.tryCreate();
  expect([result.code, result.stderr]).toEqual([1, expect.stringMatching(/EPERM.*\/mounts\/2.*`ro`/)]);
});

check("in a user namespace sysfs with a network of its own is a new one", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.mounts.push(SYSFS);
  });
  const result = await c.probe("ls=/sys/class/net", "report");
  expect(result.of("ls=/sys/class/net")).toEqual(["lo"]);
});

for (const field of ["uidMappings", "gidMappings"] as const)
  check(`bad config: ${field} without the container's id 0`, async (t) => {
    const c = t.container((spec) => {
      useUserNamespace(spec);
      spec.linux[field] = [{ containerID: 1, hostID: 100001, size: 1000 }];
      spec.process.user = { uid: 1, gid: 1 };
    });
    const result = await c.tryCreate();
    expect(result.code).not.toBe(0);
    if (isTsrunc()) expect(result.stderr).toMatch(new RegExp(`/linux/${field}: the container id 0 is not mapped`));
  });
