import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { area, check } from "./lib/harness.ts";
import { mountEntries } from "./lib/probe.ts";
import { runtime } from "./lib/runtime.ts";
import { useUserNamespace } from "./lib/spec.ts";

area();

check("root.readonly makes the root read-only and leaves mounts in it as they are", async (t) => {
  const c = t.container((spec) => {
    spec.root.readonly = true;
    spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probe("report", "creat=/x", "creat=/tmp/x", "openrw=/dev/null");
  expect(result.mount("/")?.options).toContain("ro");
  expect([result.of("creat=/x"), result.of("creat=/tmp/x"), result.of("openrw=/dev/null")]).toEqual([
    "EROFS",
    "OK",
    "OK",
  ]);
});

check("without root.readonly the root can be written, and it is the bundle's directory", async (t) => {
  const c = t.container();
  expect((await c.probe("creat=/made-inside")).of("creat=/made-inside")).toBe("OK");
  expect(existsSync(c.inside("made-inside"))).toBe(true);
});

check("destinations of mounts are made in a read-only root too", async (t) => {
  const c = t.container((spec) => {
    spec.root.readonly = true;
    spec.mounts.push({ destination: "/not/there/yet", type: "tmpfs", source: "tmpfs" });
  });
  expect((await c.probe("report")).mount("/not/there/yet")?.type).toBe("tmpfs");
});

check("the root of the mount table is the root.path and nothing of the host's is in it", async (t) => {
  const entries = mountEntries((await t.container().probe("report")).report.mounts);
  expect(entries.map(({ target }) => target)).toEqual(["/", "/proc", "/dev"]);
});

check("an absolute root.path works", async (t) => {
  const c = t.container((spec, self) => {
    spec.root.path = self.rootfs;
  });
  expect((await c.probe("report")).report.pid).toBe(1);
});

check("a bundle path that is relative or a symlink works", async (t) => {
  const c = t.container();
  symlinkSync(c.bundle, c.file("self"));
  c.spec.process.args = ["/bin/echo", "hello"];
  c.save();
  expect(await runtime(["run", "--bundle", ".", c.id], { cwd: c.bundle })).toMatchObject({
    code: 0,
    stdout: "hello\n",
  });
  expect(await runtime(["run", "--bundle", "self", c.id], { cwd: c.bundle })).toMatchObject({
    code: 0,
    stdout: "hello\n",
  });
});

check(".. in the container's root leads nowhere", async (t) => {
  const result = await t.container().probe("stat=/", "stat=/..", "stat=/../../..");
  expect(result.stat("stat=/..").ino).toBe(result.stat("stat=/").ino);
  expect(result.stat("stat=/../../..").ino).toBe(result.stat("stat=/").ino);
});

const PROPAGATION = [
  ["private", /^$/],
  ["rprivate", /^$/],
  ["slave", /^$|^master:\d+/],
  ["rslave", /^$|^master:\d+/],
  ["shared", /^shared:\d+/],
  ["rshared", /^shared:\d+/],
] as const;
for (const [value, pattern] of PROPAGATION)
  check(`rootfsPropagation ${value} is shown on the root mount`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.rootfsPropagation = value;
    });
    expect((await c.probe("report")).mount("/")?.propagation.join(" ")).toMatch(pattern);
  });

check("rootfsPropagation unbindable forbids to bind the root", async (t) => {
  const c = t.container((spec) => {
    spec.linux.rootfsPropagation = "unbindable";
  });
  expect((await c.probe("report")).mount("/")?.propagation).toEqual(["unbindable"]);
});

check("rootfsPropagation rslave lets mounts of a shared host directory come in", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("shared/sub"), { recursive: true });
    execFileSync("mount", ["--bind", self.file("shared"), self.file("shared")]);
    execFileSync("mount", ["--make-shared", self.file("shared")]);
    spec.linux.rootfsPropagation = "rslave";
    spec.mounts.push({
      destination: "/shared",
      type: "bind",
      source: self.file("shared"),
      options: ["rbind", "rslave"],
    });
  });
  try {
    await c.up();
    execFileSync("mount", ["-t", "tmpfs", "late", c.file("shared/sub")]);
    const table = readFileSync(`/proc/${await c.pid()}/mountinfo`, "utf8")
      .trimEnd()
      .split("\n");
    expect(mountEntries(table).some(({ target, source }) => target === "/shared/sub" && source === "late")).toBe(true);
  } finally {
    await c.delete("--force");
    execFileSync("umount", ["-R", c.file("shared")]);
  }
});

check("--no-pivot enters the rootfs without pivot_root", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probeWith({ flags: ["--no-pivot"] }, "stat=/bin/probe", "ls=/");
  expect(result.stat("stat=/bin/probe").type).toBe("file");
  expect(result.of("ls=/") as string[]).toContain("home");
});

check("a rootfs on a tmpfs works", async (t) => {
  const c = t.container();
  const place = c.file("ram");
  mkdirSync(place);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", place]);
  try {
    execFileSync("cp", ["-a", c.rootfs, `${place}/rootfs`]);
    c.spec.root.path = "ram/rootfs";
    expect((await c.probe("report")).report.pid).toBe(1);
  } finally {
    execFileSync("umount", [place]);
  }
});

check("a rootfs that is a mount point of its own works", async (t) => {
  const c = t.container();
  execFileSync("mount", ["--bind", c.rootfs, c.rootfs]);
  try {
    expect((await c.probe("report")).report.pid).toBe(1);
  } finally {
    execFileSync("umount", [c.rootfs]);
  }
});

check("a rootfs below a shared mount works and nothing propagates back", async (t) => {
  const c = t.container();
  execFileSync("mount", ["--bind", c.bundle, c.bundle]);
  execFileSync("mount", ["--make-shared", c.bundle]);
  try {
    expect((await c.probe("report")).report.pid).toBe(1);
    expect((await t.leftNow()).filter((line) => line.includes("rootfs"))).toEqual([]);
  } finally {
    execFileSync("umount", [c.bundle]);
  }
});

check("a rootfs with an empty /proc, /sys and /dev missing gets them made", async (t) => {
  const c = t.container();
  for (const name of ["proc", "sys", "dev"]) execFileSync("rmdir", [c.inside(name)]);
  const result = await c.probe("report", "stat=/proc");
  expect(result.mount("/proc")?.type).toBe("proc");
});

check("root.readonly works in a user namespace", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.root.readonly = true;
  });
  expect((await c.probe("report")).mount("/")?.options).toContain("ro");
});

for (const domain of ["hostname", "domainname"] as const) {
  check(`${domain} is set in a new uts namespace and the host keeps its own`, async (t) => {
    const file = `/proc/sys/kernel/${domain}`;
    const before = readFileSync(file, "utf8");
    const c = t.container((spec) => {
      spec[domain] = "con-tainer.example";
    });
    expect((await c.probe("report")).report[domain]).toBe("con-tainer.example");
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  check(`${domain} in the host's uts namespace is refused`, async (t) => {
    const before = readFileSync(`/proc/sys/kernel/${domain}`, "utf8");
    const c = t.container((spec) => {
      spec[domain] = "must-not-be";
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "uts");
    });
    expect((await c.run()).code).not.toBe(0);
    expect(readFileSync(`/proc/sys/kernel/${domain}`, "utf8")).toBe(before);
  });
}

check("sysctl values of the container's namespaces are set, and the host keeps its own", async (t) => {
  const before = readFileSync("/proc/sys/kernel/msgmax", "utf8");
  const c = t.container((spec) => {
    spec.linux.sysctl = {
      "net.ipv4.ip_forward": "1",
      "kernel.msgmax": "4321",
      "net.ipv4.ping_group_range": "3 5",
      "fs.mqueue.msg_max": "17",
    };
  });
  const names = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/kernel/msgmax",
    "/proc/sys/net/ipv4/ping_group_range",
    "/proc/sys/fs/mqueue/msg_max",
  ];
  const result = await c.probe(...names.map((name) => `read=${name}`));
  expect(names.map((name) => result.data(name).trim().replace(/\s+/g, " "))).toEqual(["1", "4321", "3 5", "17"]);
  expect(readFileSync("/proc/sys/kernel/msgmax", "utf8")).toBe(before);
});

check("sysctl names with slashes instead of dots work", async (t) => {
  const c = t.container((spec) => {
    spec.linux.sysctl = { "net/ipv4/conf/lo/forwarding": "1" };
  });
  const file = "/proc/sys/net/ipv4/conf/lo/forwarding";
  expect((await c.probe(`read=${file}`)).data(file).trim()).toBe("1");
});

for (const [name, namespace] of [
  ["net.ipv4.ip_forward", "network"],
  ["kernel.msgmax", "ipc"],
] as const)
  check(`sysctl ${name} in the host's ${namespace} namespace is refused`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== namespace);
      spec.linux.sysctl = { [name]: "1" };
    });
    expect((await c.run()).code).not.toBe(0);
  });

for (const name of ["kernel.panic", "vm.swappiness", "kernel.core_pattern"])
  check(`sysctl ${name}, which belongs to no namespace, is refused and keeps its value`, async (t) => {
    const file = `/proc/sys/${name.replace(".", "/")}`;
    const before = readFileSync(file, "utf8");
    const c = t.container((spec) => {
      spec.linux.sysctl = { [name]: name === "kernel.core_pattern" ? "bad" : "7" };
    });
    expect((await c.run()).code).not.toBe(0);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

check("maskedPaths: a file reads empty, a directory is empty, a missing path is left alone", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("secret"), "secret");
    mkdirSync(self.inside("vault"));
    writeFileSync(self.inside("vault/key"), "secret");
    spec.linux.maskedPaths = ["/secret", "/vault", "/missing", "/proc/kcore", "/proc/timer_list", "/vault"];
  });
  const result = await c.probe(
    "read=/secret",
    "write=/secret,x",
    "ls=/vault",
    "creat=/vault/new",
    "openr=/vault/key",
    "stat=/missing",
    "read=/proc/timer_list",
  );
  expect(result.data("/secret")).toBe("");
  expect(result.of("ls=/vault")).toEqual([]);
  expect(result.of("creat=/vault/new")).toBe("EROFS");
  expect(result.of("openr=/vault/key")).toBe("ENOENT");
  expect(result.of("stat=/missing")).toBe("ENOENT");
  expect(readFileSync(c.inside("secret"), "utf8")).toBe("secret");
});

check(
  "readonlyPaths: files and directories cannot be written, with what is mounted below, a missing path is left alone",
  async (t) => {
    const c = t.container((spec, self) => {
      writeFileSync(self.inside("file"), "text");
      mkdirSync(self.inside("dir"));
      spec.linux.readonlyPaths = ["/file", "/dir", "/missing", "/proc/sys", "/dir"];
    });
    const result = await c.probe(
      "report",
      "openw=/file",
      "read=/file",
      "creat=/dir/x",
      "openw=/proc/sys/kernel/msgmax",
      "stat=/missing",
    );
    expect(result.of("openw=/file")).toBe("EROFS");
    expect(result.data("/file")).toBe("text");
    expect([result.of("creat=/dir/x"), result.of("openw=/proc/sys/kernel/msgmax"), result.of("stat=/missing")]).toEqual(
      ["EROFS", "EROFS", "ENOENT"],
    );
    expect(result.mount("/proc/sys")?.options).toContain("ro");
  },
);

check("masked and read-only paths work in a user namespace", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    writeFileSync(self.inside("secret"), "secret");
    spec.linux.maskedPaths = ["/secret", "/proc/acpi", "/proc/kcore"];
    spec.linux.readonlyPaths = ["/proc/sys", "/proc/bus"];
  });
  const result = await c.probe("read=/secret", "openw=/proc/sys/kernel/msgmax");
  expect(result.data("/secret")).toBe("");
  expect(result.of("openw=/proc/sys/kernel/msgmax")).toBe("EROFS");
});
