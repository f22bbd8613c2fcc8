/** Classes of published vulnerabilities, one or more tests each. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { RUNTIME } from "./lib/host.ts";
import { runtime, startCommand, until } from "./lib/runtime.ts";
import { DEVPTS, grant, useUserNamespace } from "./lib/spec.ts";
import { receiverProgram } from "./lib/workspace.ts";

area();

function runtimeDigest(): string {
  const file =
    RUNTIME.find((word) => word.includes("/")) ??
    execFileSync("which", [RUNTIME[0] ?? ""], { encoding: "utf8" }).trim();
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** A directory outside the rootfs in which nothing may appear. */
function canary(c: Container): string {
  const directory = c.file("canary");
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** A symlink target that would lead to `host` if it were followed outside the root. */
function escaping(host: string): string {
  return `../../../../../../../../../..${host}`;
}

check("CVE-2019-5736: a program that is #!/proc/self/exe cannot change the runtime", async (t) => {
  const before = runtimeDigest();
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("evil"), "#!/proc/self/exe\n", { mode: 0o755 });
    spec.process.args = ["/evil"];
  });
  await c.run(); // any exit status: what counts is that nothing is changed and nothing left
  expect(runtimeDigest()).toBe(before);
  expect(await t.leftNow()).toEqual([]);
});

check(
  "CVE-2019-5736: a program as a symlink to /proc/self/exe runs nothing of the host with write access",
  async (t) => {
    const before = runtimeDigest();
    const c = t.container((spec, self) => {
      symlinkSync("/proc/self/exe", self.inside("evil"));
      spec.process.args = ["/evil", "overwrite"];
    });
    await c.run();
    expect(runtimeDigest()).toBe(before);
    expect(await t.leftNow()).toEqual([]);
  },
);

check("CVE-2019-5736: the init of a created container does not run from a file that can be written", async (t) => {
  const c = t.container();
  await c.create();
  const pid = await c.pid();
  const peer = t.container((spec) => {
    grant(spec, "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH");
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "pid");
    spec.linux.namespaces.push({ type: "pid", path: `/proc/${pid}/ns/pid` });
  });
  const result = await peer.probe("overwrite-exe=1");
  expect(["ETXTBSY", "EROFS", "EACCES", "EPERM", "ENOENT"]).toContain(result.of("overwrite-exe=1") as string);
});

checkTsrunc("CVE-2016-9962: the init of a created container is not dumpable, its program is", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    spec.process.args = ["/bin/probe", "wait"];
  });
  await c.create();
  // files of a process that is not dumpable belong to root, not to its user (proc(5))
  const owner = `/proc/${await c.pid()}/environ`;
  expect(statSync(owner).uid).toBe(0);
  await c.start();
  await c.waitForOutput("ready");
  expect(statSync(owner).uid).toBe(100000);
});

for (const [name, type] of [
  ["proc", "proc"],
  ["sys", "sysfs"],
] as const)
  check(`CVE-2019-19921: a rootfs whose /${name} is a symlink is refused or stays inside`, async (t) => {
    const c = t.container((spec, self) => {
      rmSync(self.inside(name), { recursive: true });
      mkdirSync(self.inside("bad"));
      symlinkSync("/bad", self.inside(name));
      if (name === "sys") spec.mounts.push({ destination: "/sys", type, source: type, options: ["ro"] });
    });
    const result = await c.run();
    expect(result.code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });

for (const destination of ["/proc/self/attr", "/proc/self", "/proc/sys/kernel", "/proc/1", "/proc"])
  check(`CVE-2019-16884: a bind mount over ${destination} is refused`, async (t) => {
    const c = t.container((spec, self) => {
      mkdirSync(self.file("cover"));
      spec.mounts.push({ destination, type: "bind", source: self.file("cover"), options: ["bind"] });
    });
    expect((await c.run()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });

check("CVE-2019-16884: a tmpfs over /proc/self/attr is refused", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/proc/self/attr", type: "tmpfs", source: "tmpfs" });
  });
  expect((await c.run()).code).not.toBe(0);
});

for (const file of ["uptime", "meminfo", "cpuinfo", "stat", "loadavg", "diskstats", "swaps"])
  check(`a bind mount over /proc/${file} is allowed, as lxcfs needs it`, async (t) => {
    const c = t.container((spec, self) => {
      writeFileSync(self.file("fake"), "fake\n");
      spec.mounts.push({ destination: `/proc/${file}`, type: "bind", source: self.file("fake"), options: ["bind"] });
    });
    expect((await c.probe(`read=/proc/${file}`)).data(`/proc/${file}`)).toBe("fake\n");
  });

check(
  "CVE-2025-52881: with sysctl values in config.json the host's sysrq-trigger and core_pattern stay as they are",
  async (t) => {
    const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    const c = t.container((spec, self) => {
      symlinkSync(escaping("/proc/sys/kernel"), self.inside("k"));
      spec.linux.sysctl = { "net.ipv4.ip_forward": "1" };
    });
    expect((await c.probe("read=/proc/sys/net/ipv4/ip_forward")).data("/proc/sys/net/ipv4/ip_forward").trim()).toBe(
      "1",
    );
    expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
  },
);

check("CVE-2021-30465: a volume's symlink as a mount destination ends inside the root", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("volume"));
    symlinkSync(escaping(canary(self)), self.file("volume/link"));
    spec.mounts.push({ destination: "/v", type: "bind", source: self.file("volume"), options: ["rbind"] });
    spec.mounts.push({ destination: "/v/link/inside", type: "tmpfs", source: "mark" });
  });
  await c.run();
  expect(readdirSync(c.file("canary"))).toEqual([]);
  expect((await t.leftNow()).filter((line) => line.startsWith("mount"))).toEqual([]);
});

check("CVE-2021-30465: a destination that is exchanged with a symlink all the time never shows the host", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.file("volume/dir/sub"), { recursive: true });
    symlinkSync("/", self.file("volume/link"));
    spec.mounts.push({ destination: "/v", type: "bind", source: self.file("volume"), options: ["rbind"] });
    spec.mounts.push({ destination: "/v/dir/sub", type: "tmpfs", source: "mark" });
    spec.process.args = ["/bin/ls", "/"];
  });
  const swap = `cd '${c.file("volume")}' && while :; do mv -T --exchange dir link 2>/dev/null || { mv -T dir tmp; mv -T link dir; mv -T dir link; mv -T tmp dir; }; done`;
  const swapper = startCommand(["/bin/sh", "-c", swap]);
  t.cleanup(() => {
    swapper.child.kill("SIGKILL");
  });
  for (let i = 0; i < 25; i++) {
    const result = await c.run();
    if (result.code === 0) expect(result.stdout).toContain("home\n");
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(" mark ");
  }
});

check(
  "CVE-2024-45310: no empty file or directory is made outside the root through symlinked destinations",
  async (t) => {
    const c = t.container((spec, self) => {
      writeFileSync(self.file("one"), "");
      symlinkSync(escaping(canary(self)), self.inside("out"));
      spec.mounts.push({ destination: "/out/file", type: "bind", source: self.file("one"), options: ["bind"] });
      spec.mounts.push({ destination: "/out/a/b/c", type: "tmpfs", source: "tmpfs" });
      spec.process.cwd = "/out/made-as-cwd";
    });
    await c.run();
    expect(readdirSync(c.file("canary"))).toEqual([]);
  },
);

check("CVE-2026-41579: a rootfs whose /dev is a symlink gets no devices outside", async (t) => {
  const c = t.container((spec, self) => {
    rmSync(self.inside("dev"), { recursive: true });
    symlinkSync(escaping(canary(self)), self.inside("dev"));
    spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/dev");
    spec.linux.devices = [{ path: "/dev/extra", type: "c", major: 1, minor: 3 }];
  });
  await c.run();
  expect(readdirSync(c.file("canary"))).toEqual([]);
  expect(await t.leftNow()).toEqual([]);
});

check("CVE-2026-41579: the path of a device through a symlink stays inside", async (t) => {
  const c = t.container((spec, self) => {
    symlinkSync(escaping(canary(self)), self.inside("out"));
    spec.linux.devices = [{ path: "/out/node", type: "p", fileMode: 0o666 }];
  });
  await c.run();
  expect(readdirSync(c.file("canary"))).toEqual([]);
});

check("CVE-2025-31133: a mask does not take its source from a /dev/null of the image", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("target"), "target");
    writeFileSync(self.inside("secret"), "secret");
    rmSync(self.inside("dev"), { recursive: true });
    mkdirSync(self.inside("dev"));
    symlinkSync("/target", self.inside("dev/null"));
    spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/dev");
    spec.linux.maskedPaths = ["/secret"];
  });
  c.spec.process.args = ["/bin/probe", "read=/secret", "write=/secret,x"];
  const result = await c.run();
  if (result.code === 0) expect(JSON.parse(result.stdout)["read=/secret"]).toEqual({ data: "" });
  expect(readFileSync(c.inside("target"), "utf8")).toBe("target");
  expect(readFileSync(c.inside("secret"), "utf8")).toBe("secret");
});

check("CVE-2025-31133: the host's /dev/null stays a device when a container masks paths", async (t) => {
  const c = t.container((spec, self) => {
    spec.mounts = spec.mounts.map((mount) =>
      mount.destination === "/dev"
        ? { destination: "/dev", type: "bind", source: self.file("dev"), options: ["bind"] }
        : mount,
    );
    mkdirSync(self.file("dev"));
    symlinkSync("/proc/sys/kernel/core_pattern", self.file("dev/null"));
    writeFileSync(self.inside("secret"), "secret");
    spec.linux.maskedPaths = ["/secret"];
    spec.process.args = ["/bin/probe", "read=/secret"];
  });
  const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  const result = await c.run();
  if (result.code === 0) expect(JSON.parse(result.stdout)["read=/secret"]).toEqual({ data: "" });
  expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
});

for (const [what, prepare] of [
  ["/dev/console is a symlink", (c: Container) => symlinkSync(escaping(`${canary(c)}/console`), c.file("dev/console"))],
  ["/dev/pts is a symlink", (c: Container) => symlinkSync(escaping(canary(c)), c.file("dev/pts"))],
  ["/dev/ptmx is a symlink to the host's", (c: Container) => symlinkSync(escaping("/dev/ptmx"), c.file("dev/ptmx"))],
] as const)
  check(`CVE-2025-52565: with a terminal and a bound /dev in which ${what} nothing outside is touched`, async (t) => {
    const c = t.container((spec, self) => {
      mkdirSync(self.file("dev"));
      spec.process.terminal = true;
      spec.mounts = spec.mounts.map((mount) =>
        mount.destination === "/dev"
          ? { destination: "/dev", type: "bind", source: self.file("dev"), options: ["bind"] }
          : mount,
      );
      spec.mounts.push(DEVPTS);
      prepare(self);
    });
    const directory = canary(c);
    const socket = c.file("console.sock");
    const receiver = startCommand([receiverProgram(), socket]);
    t.cleanup(() => {
      receiver.child.kill("SIGKILL");
    });
    await until("the socket", () => existsSync(socket));
    await c.tryCreate({ flags: ["--console-socket", socket] });
    expect(readdirSync(directory)).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(directory);
  });

check("CVE-2024-21626: no cwd of /proc/self/fd/N leads out of the container", async (t) => {
  for (let fd = 3; fd <= 20; fd++)
    for (const suffix of ["", "/../../.."]) {
      const c = t.container((spec) => {
        spec.process.cwd = `/proc/self/fd/${fd}${suffix}`;
        spec.process.args = ["/bin/busybox", "ls", "."];
      });
      const result = await c.run({ shell: "exec 7</ 8</etc;" });
      if (result.code === 0)
        expect({
          fd,
          suffix,
          escaped: result.stdout.includes("boot\n") || result.stdout.includes("hostname\n"),
        }).toEqual({ fd, suffix, escaped: false });
      await c.dispose();
    }
});

check("CVE-2024-21626: a created container's init holds no descriptor of a host directory", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "wait"];
  });
  await c.create({ shell: "exec 7</ 8</etc 9</proc;" });
  await c.start();
  await c.waitForOutput("ready");
  const pid = await c.pid();
  expect(readdirSync(`/proc/${pid}/fd`).toSorted()).toEqual(["0", "1", "2"]);
});

for (const uid of [0, 1000])
  check(`CVE-2022-29162: without inheritable capabilities in config.json uid ${uid} has none`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid, gid: uid };
    });
    const { caps, status } = (await c.probe("report")).report;
    expect(caps).toMatchObject({ inheritable: "0", ambient: "0" });
    expect(status.find((line) => line.startsWith("CapInh:"))).toBe("CapInh:\t0000000000000000");
  });

check("CVE-2022-29162: the caller's inheritable and ambient capabilities do not reach the program", async (t) => {
  const { caps } = (
    await t
      .container()
      .probeWith({ shell: 'set -- setpriv --inh-caps +chown,+kill --ambient-caps +chown,+kill -- "$@";' }, "report")
  ).report;
  expect(caps).toMatchObject({ inheritable: "0", ambient: "0" });
});

check("CVE-2026-30892: user ids out of range in config.json are refused", async (t) => {
  for (const uid of [-1, 4294967296, 1.5]) {
    const c = t.container((spec) => {
      spec.process.user = { uid, gid: 0 };
    });
    expect({ uid, refused: (await c.run()).code !== 0 }).toEqual({ uid, refused: true });
  }
});

for (const id of ["../x", "a/b", "", ".", "..", "a b", "ä", "x;y", "a\nb", "/abs"])
  check(`an id of ${JSON.stringify(id)} is refused and makes nothing`, async (t) => {
    const c = t.container();
    c.save();
    const result = await runtime(["create", "--bundle", c.bundle, id]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).not.toBe("");
    expect(await t.leftNow()).toEqual([]);
  });

check("files planted in the bundle and the working directory are not executed by the runtime", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/echo", "fine"];
  });
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(c.file("executed"))}, "")`;
  writeFileSync(c.file("evil.js"), evil);
  writeFileSync(c.file("bunfig.toml"), 'preload = ["./evil.js"]\n[test]\npreload = ["./evil.js"]\n');
  writeFileSync(
    c.file(".env"),
    `BUN_OPTIONS=--preload=${c.file("evil.js")}\nNODE_OPTIONS=--require=${c.file("evil.js")}\nLD_PRELOAD=/nonexistent.so\n`,
  );
  writeFileSync(c.file("package.json"), '{"type":"module","main":"evil.js","imports":{"#x":"./evil.js"}}');
  writeFileSync(c.file("tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}');
  mkdirSync(c.file("node_modules/koffi"), { recursive: true });
  writeFileSync(c.file("node_modules/koffi/index.js"), evil);
  expect(await c.run({ cwd: c.bundle })).toMatchObject({ code: 0, stdout: "fine\n", stderr: "" });
  expect(existsSync(c.file("executed"))).toBe(false);
});
