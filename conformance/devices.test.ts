import { mkdirSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { DEVPTS, grant, type Spec, useUserNamespace } from "./lib/spec.ts";

area();

const DEFAULTS = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

for (const [name, major, minor] of DEFAULTS)
  check(`/dev/${name} is there: character device ${major}:${minor}, mode 0666, owned by root`, async (t) => {
    const operation = `lstat=/dev/${name}`;
    expect((await t.container().probe(operation)).stat(operation)).toMatchObject({
      type: "c",
      major,
      minor,
      mode: 0o666,
      uid: 0,
      gid: 0,
    });
  });

for (const name of ["null", "zero", "full", "random", "urandom"])
  check(`/dev/${name} can be used by an ordinary user`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid: 1000, gid: 1000 };
    });
    const operation = `openrw=/dev/${name}`;
    expect((await c.probe(operation)).of(operation)).toBe("OK");
  });

for (const [name, target] of [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
] as const)
  check(`/dev/${name} is a symlink to ${target}`, async (t) => {
    const operation = `readlink=/dev/${name}`;
    expect((await t.container().probe(operation)).of(operation)).toBe(target);
  });

check("/dev/ptmx leads to the container's own pts/ptmx", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push(DEVPTS);
  });
  const result = await c.probe("openrw=/dev/ptmx", "stat=/dev/ptmx", "stat=/dev/pts/ptmx");
  expect(result.of("openrw=/dev/ptmx")).toBe("OK");
  expect(result.stat("stat=/dev/ptmx").ino).toBe(result.stat("stat=/dev/pts/ptmx").ino);
});

check("/dev holds nothing but the defaults", async (t) => {
  const names = (await t.container().probe("ls=/dev")).of("ls=/dev") as string[];
  const allowed =
    "console core fd full kcore mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" ");
  expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
});

check("/dev/console is not made without a terminal", async (t) => {
  expect((await t.container().probe("lstat=/dev/console")).of("lstat=/dev/console")).toBe("ENOENT");
});

const DENY_ALL = { allow: false, access: "rwm" };

const DEVICES = [
  [
    { path: "/dev/mine-c", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 12, gid: 34 },
    { type: "c", major: 1, minor: 3, mode: 0o640, uid: 12, gid: 34 },
  ],
  [
    { path: "/dev/mine-u", type: "u", major: 1, minor: 5, fileMode: 0o600 },
    { type: "c", major: 1, minor: 5, mode: 0o600 },
  ],
  [
    { path: "/dev/mine-b", type: "b", major: 7, minor: 200, fileMode: 0o660, uid: 0, gid: 6 },
    { type: "b", major: 7, minor: 200, mode: 0o660, gid: 6 },
  ],
  [
    { path: "/dev/mine-p", type: "p", fileMode: 0o622, uid: 1000 },
    { type: "p", mode: 0o622, uid: 1000 },
  ],
  [
    { path: "/deep/down/device", type: "c", major: 1, minor: 7, fileMode: 0o666 },
    { type: "c", major: 1, minor: 7, mode: 0o666 },
  ],
  [
    { path: "/dev/no-mode", type: "c", major: 1, minor: 3 },
    { type: "c", major: 1, minor: 3, uid: 0, gid: 0 },
  ],
] as const;
for (const [device, expected] of DEVICES)
  check(`linux.devices makes ${JSON.stringify(device)}`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.devices = [device];
    });
    const operation = `lstat=${device.path}`;
    expect((await c.probeWith({ shell: "umask 077;" }, operation)).stat(operation)).toMatchObject(expected);
  });

check("a device in config.json replaces the default one of that name", async (t) => {
  const c = t.container((spec) => {
    spec.linux.devices = [{ path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o600 }];
    spec.linux.resources = { devices: [DENY_ALL, { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }] };
  });
  expect((await c.probe("lstat=/dev/null")).stat("lstat=/dev/null")).toMatchObject({ major: 1, minor: 3, mode: 0o600 });
});

check("a device in a user namespace is a working bind of the host's", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.linux.devices = [{ path: "/dev/full", type: "c", major: 1, minor: 7, fileMode: 0o666, uid: 0, gid: 0 }];
  });
  expect((await c.probe("lstat=/dev/full")).stat("lstat=/dev/full")).toMatchObject({ type: "c", major: 1, minor: 7 });
});

/** A second name for the kernel log: a device that exists on every machine and is no default one. */
function useKmsg(spec: Spec): void {
  grant(spec, "CAP_SYSLOG");
  spec.linux.devices = [{ path: "/dev/kmsg2", type: "c", major: 1, minor: 11 }];
}

check("device rules: what is allowed can be opened, everything else cannot", async (t) => {
  const c = t.container((spec) => {
    useKmsg(spec);
    spec.linux.resources = { devices: [DENY_ALL, { allow: true, type: "c", major: 1, minor: 11, access: "r" }] };
  });
  const result = await c.probe("openr=/dev/kmsg2", "openw=/dev/kmsg2", "openrw=/dev/null", "openrw=/dev/zero");
  expect(result.of("openr=/dev/kmsg2")).toBe("OK");
  expect(result.of("openw=/dev/kmsg2")).toBe("EPERM");
  expect([result.of("openrw=/dev/null"), result.of("openrw=/dev/zero")]).toEqual(["OK", "OK"]);
});

check("device rules: mknod needs the m access", async (t) => {
  const c = t.container((spec) => {
    spec.linux.resources = {
      devices: [
        DENY_ALL,
        { allow: true, type: "b", major: 7, minor: 7, access: "m" },
        { allow: true, type: "c", major: 10, access: "rw" },
      ],
    };
  });
  const operations = ["mknod=/tmp/a,b,7,7", "mknod=/tmp/b,b,9,9", "mknod=/tmp/c,p,0,0", "openr=/tmp/a"];
  const result = await c.probe(...operations);
  expect(result.of(operations[0]!)).toBe("OK");
  expect(result.of(operations[2]!)).toBe("OK");
  expect(result.of(operations[3]!)).toBe("EPERM");
});

check("device rules are applied in order: a later deny wins", async (t) => {
  const c = t.container((spec) => {
    useKmsg(spec);
    spec.linux.resources = {
      devices: [
        DENY_ALL,
        { allow: true, type: "c", major: 1, minor: 11, access: "rw" },
        { allow: false, type: "c", major: 1, minor: 11, access: "w" },
      ],
    };
  });
  const result = await c.probe("openr=/dev/kmsg2", "openw=/dev/kmsg2");
  expect([result.of("openr=/dev/kmsg2"), result.of("openw=/dev/kmsg2")]).toEqual(["OK", "EPERM"]);
});

check("device rules: a rule without minor is for all minors", async (t) => {
  const c = t.container((spec) => {
    useKmsg(spec);
    spec.linux.resources = { devices: [DENY_ALL, { allow: true, type: "c", major: 1, access: "rwm" }] };
  });
  expect((await c.probe("openr=/dev/kmsg2")).of("openr=/dev/kmsg2")).toBe("OK");
});

check("device rules: a device with no rule that allows it cannot be opened", async (t) => {
  const c = t.container((spec) => {
    useKmsg(spec);
    spec.linux.resources = { devices: [DENY_ALL] };
  });
  expect((await c.probe("openr=/dev/kmsg2")).of("openr=/dev/kmsg2")).toBe("EPERM");
});

check("a device file on a bind mount is subject to the rules as well", async (t) => {
  const c = t.container((spec) => {
    grant(spec, "CAP_SYSLOG");
    spec.linux.resources = { devices: [DENY_ALL] };
    spec.mounts.push({ destination: "/dev/kmsg", type: "bind", source: "/dev/kmsg", options: ["bind"] });
  });
  expect((await c.probe("openr=/dev/kmsg")).of("openr=/dev/kmsg")).toBe("EPERM");
});

check("a device outside of /dev is made also where the config brings its own /dev", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("dev"));
    spec.mounts.push({ destination: "/dev", type: "bind", source: self.file("dev"), options: ["bind"] });
    spec.linux.devices = [
      { path: "/opt/zero", type: "c", major: 1, minor: 5 },
      { path: "/dev/zero", type: "c", major: 1, minor: 5 },
    ];
  });
  const result = await c.probe("lstat=/opt/zero", "ls=/dev");
  expect(result.stat("lstat=/opt/zero")).toMatchObject({ type: "c", major: 1, minor: 5 });
  expect(result.of("ls=/dev")).toEqual([]);
});
