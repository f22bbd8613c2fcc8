/** Bad input: exit status 1, one line on stderr, nothing made. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { hasController } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { type Result, runtime } from "./lib/runtime.ts";
import { type Spec, setNamespace } from "./lib/spec.ts";
import { stateRoot, TAG } from "./lib/workspace.ts";

area();

function expectRefused(result: Result): void {
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 1, stdout: "" });
  expect(result.stderr.trim()).not.toBe("");
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(result.stderr).not.toMatch(/\n\s+at |^panic: |goroutine \d|Segmentation fault|undefined|\[object/m);
}

/** Sets a value deep in the configuration, past the types. */
function put(at: string, value: unknown): (spec: Spec, c: Container) => void {
  return (spec) => {
    const keys = at.split("/");
    const last = keys.pop() ?? "";
    let node = spec as unknown as Record<string, unknown>;
    for (const key of keys) {
      node[key] ??= {};
      node = node[key] as Record<string, unknown>;
    }
    if (value === undefined) delete node[last];
    else node[last] = value;
  };
}

/** Configurations that must be refused, by what is wrong with them. */
const CONFIGS: Readonly<Record<string, (spec: Spec, c: Container) => void>> = {
  "no ociVersion": put("ociVersion", undefined),
  "ociVersion 9.0.0": put("ociVersion", "9.0.0"),
  "ociVersion that is no version": put("ociVersion", "banana"),
  "ociVersion of type number": put("ociVersion", 1),
  "process of type string": put("process", "sh"),
  "no args": put("process/args", undefined),
  "empty args": put("process/args", []),
  "args of type string": put("process/args", "sh -c true"),
  "args with a number": put("process/args", [1, 2]),
  "no cwd": put("process/cwd", ""),
  "relative cwd": put("process/cwd", "relative/dir"),
  "env of type object": put("process/env", { A: "b" }),
  "env with a number": put("process/env", [7]),
  "user of type string": put("process/user", "root"),
  "uid of type string": put("process/user/uid", "0"),
  "negative uid": put("process/user/uid", -1),
  "uid of 2^32": put("process/user/uid", 4294967296),
  "additionalGids with a string": put("process/user/additionalGids", ["audio"]),
  "terminal of type string": put("process/terminal", "yes"),
  "unknown rlimit": put("process/rlimits", [{ type: "RLIMIT_BANANA", soft: 1, hard: 1 }]),
  "rlimit with soft above hard": put("process/rlimits", [{ type: "RLIMIT_NOFILE", soft: 20, hard: 10 }]),
  "negative rlimit": put("process/rlimits", [{ type: "RLIMIT_NOFILE", soft: -5, hard: 10 }]),
  "the same rlimit twice": put("process/rlimits", [
    { type: "RLIMIT_NOFILE", soft: 10, hard: 10 },
    { type: "RLIMIT_NOFILE", soft: 11, hard: 11 },
  ]),
  "oomScoreAdj of type string": put("process/oomScoreAdj", "high"),
  "oomScoreAdj of 1001": put("process/oomScoreAdj", 1001),
  "unknown scheduler policy": put("process/scheduler", { policy: "SCHED_BANANA" }),
  "unknown ioPriority class": put("process/ioPriority", { class: "IOPRIO_CLASS_BANANA", priority: 1 }),
  "capabilities of type array": put("process/capabilities", ["CAP_KILL"]),
  "no root": put("root", undefined),
  "missing rootfs": put("root/path", "does-not-exist"),
  "rootfs that is a file": put("root/path", "config.json"),
  "root.path of type number": put("root/path", 5),
  "root.readonly of type string": put("root/readonly", "yes"),
  "mounts of type object": put("mounts", {}),
  "a mount without destination": put("mounts", [{ type: "tmpfs", source: "tmpfs" }]),
  "mount options of type string": put("mounts", [{ destination: "/m", type: "tmpfs", source: "tmpfs", options: "ro" }]),
  "a bind with a missing source": put("mounts", [
    { destination: "/m", type: "bind", source: "/nonexistent-source", options: ["bind"] },
  ]),
  "an unknown file system": put("mounts", [{ destination: "/m", type: "bananafs", source: "x" }]),
  "hostname of type number": put("hostname", 5),
  "a hostname of 70 characters": put("hostname", "x".repeat(70)),
  "hooks of type array": put("hooks", []),
  "a hook without a path": put("hooks", { createRuntime: [{ args: ["x"] }] }),
  "a hook with a relative path": put("hooks", { createRuntime: [{ path: "bin/true" }] }),
  "a hook that does not exist": put("hooks", { createRuntime: [{ path: "/nonexistent/hook" }] }),
  "a hook timeout of 0": put("hooks", { createRuntime: [{ path: "/bin/true", timeout: 0 }] }),
  "annotations of type array": put("annotations", ["a"]),
  "an annotation with a number": put("annotations", { a: 1 }),
  "linux of type string": put("linux", "yes"),
  "unknown namespace type": put("linux/namespaces", [{ type: "banana" }]),
  "the same namespace twice": put("linux/namespaces", [{ type: "pid" }, { type: "mount" }, { type: "pid" }]),
  "namespaces of type object": put("linux/namespaces", {}),
  "a namespace path that does not exist": (spec) => setNamespace(spec, "ipc", "/nonexistent/ns"),
  "a relative namespace path": (spec) => setNamespace(spec, "ipc", "proc/1/ns/ipc"),
  "a user namespace without mappings": (spec) => setNamespace(spec, "user"),
  "mappings without a user namespace": put("linux/uidMappings", [{ containerID: 0, hostID: 100000, size: 1 }]),
  "timeOffsets without a time namespace": put("linux/timeOffsets", { boottime: { secs: 1 } }),
  "a mapping of size 0": (spec) => {
    setNamespace(spec, "user");
    spec.linux.uidMappings = [{ containerID: 0, hostID: 0, size: 0 }];
    spec.linux.gidMappings = [{ containerID: 0, hostID: 0, size: 1 }];
  },
  "a device of unknown type": put("linux/devices", [{ path: "/dev/x", type: "banana", major: 1, minor: 3 }]),
  "a device without a path": put("linux/devices", [{ type: "c", major: 1, minor: 3 }]),
  "a device with a major number as string": put("linux/devices", [{ path: "/dev/x", type: "c", major: "1", minor: 3 }]),
  "a device rule with unknown access": put("linux/resources", {
    devices: [{ allow: true, type: "c", major: 1, minor: 3, access: "xyz" }],
  }),
  "resources of type array": put("linux/resources", []),
  "memory.limit of type string": put("linux/resources", { memory: { limit: "4M" } }),
  "pids.limit of type string": put("linux/resources", { pids: { limit: "ten" } }),
  "unknown rootfsPropagation": put("linux/rootfsPropagation", "banana"),
  "unknown seccomp action": put("linux/seccomp", { defaultAction: "SCMP_ACT_BANANA" }),
  "seccomp without defaultAction": put("linux/seccomp", { architectures: ["SCMP_ARCH_X86_64"] }),
  "unknown seccomp architecture": put("linux/seccomp", {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_BANANA"],
  }),
  "unknown seccomp operator": put("linux/seccomp", {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [{ index: 0, value: 1, op: "SCMP_CMP_BANANA" }] }],
  }),
  "a sysctl that belongs to no namespace": put("linux/sysctl", { "kernel.panic": "1" }),
  "an unknown sysctl": put("linux/sysctl", { "net.banana": "1" }),
  "sysctl of type array": put("linux/sysctl", ["a=b"]),
  "a relative masked path": put("linux/maskedPaths", ["proc/kcore"]),
  "a relative read-only path": put("linux/readonlyPaths", ["proc/sys"]),
  "maskedPaths of type string": put("linux/maskedPaths", "/proc/kcore"),
  "a cgroupsPath that leads through a file": put("linux/cgroupsPath", `/cgroup.procs/${TAG}`),
  "a directory bound on a file": put("mounts", [
    { destination: "/bin/probe", type: "bind", source: "/etc", options: ["bind"] },
  ]),
  "a file bound on a directory": put("mounts", [
    { destination: "/bin", type: "bind", source: "/etc/hostname", options: ["bind"] },
  ]),
  "a mount destination below a file": put("mounts", [{ destination: "/bin/probe/x", type: "tmpfs", source: "tmpfs" }]),
  "a mount destination that is a loop of links": (spec, c) => {
    symlinkSync("loop", c.inside("loop"));
    put("mounts", [{ destination: "/loop", type: "tmpfs", source: "tmpfs" }])(spec, c);
  },
  "an rlimit that the kernel does not grant": put("process/rlimits", [
    { type: "RLIMIT_NOFILE", soft: 2 ** 40, hard: 2 ** 40 },
  ]),
  "a hook that takes too long": put("hooks", {
    createRuntime: [{ path: "/bin/sleep", args: ["sleep", "30"], timeout: 1 }],
  }),
  "a hook that cannot be executed": put("hooks", { createRuntime: [{ path: "/etc/passwd" }] }),
  "unknown personality": put("linux/personality", { domain: "BANANA" }),
};

for (const [what, patch] of Object.entries(CONFIGS))
  check(`bad config: ${what}`, async (t) => {
    const c = t.container(patch);
    expectRefused(await c.tryCreate({ stdout: c.file("stdout") }));
    expect(await t.leftNow()).toEqual([]);
  });

/** What ours says: the object, the errno, the place in config.json and what may help. */
const MESSAGES: Readonly<Record<string, readonly [patch: (spec: Spec, c: Container) => void, message: string]>> = {
  "a cgroupsPath that leads through a file": [CONFIGS["a cgroupsPath that leads through a file"]!, "cgroup: "],
  "a file bound on a directory": [
    CONFIGS["a file bound on a directory"]!,
    "mounts[0] (/bin): move: invalid argument (EINVAL) (at /mounts/0); hint: a directory is mounted on a directory",
  ],
  "a directory bound on a file": [
    CONFIGS["a directory bound on a file"]!,
    "mounts[0] (/bin/probe): target: not a directory (ENOTDIR) (at /mounts/0); hint: a directory is mounted on",
  ],
  "an unknown file system": [
    CONFIGS["an unknown file system"]!,
    "fsopen `bananafs`: no such device (ENODEV) (at /mounts/0); hint: the kernel has those of /proc/filesystems",
  ],
  "an rlimit that the kernel does not grant": [
    CONFIGS["an rlimit that the kernel does not grant"]!,
    "RLIMIT_NOFILE: prlimit: operation not permitted (EPERM) (at /process/rlimits/0); hint: limits above its own",
  ],
};
for (const [what, [patch, message]] of Object.entries(MESSAGES))
  checkTsrunc(`the message says what to mend: ${what}`, async (t) => {
    const result = await t.container(patch).tryCreate();
    expectRefused(result);
    expect(result.stderr).toContain(message);
    expect(await t.leftNow()).toEqual([]);
  });

checkTsrunc("the message says what to mend: a console socket that is none", async (t) => {
  const c = t.container(put("process/terminal", true));
  const result = await c.tryCreate({ flags: ["--console-socket", "/etc/passwd"] });
  expectRefused(result);
  expect(result.stderr).toContain(
    "connect `/etc/passwd`: connection refused (ECONNREFUSED) (at /process/terminal); hint: it",
  );
  expect(await t.leftNow()).toEqual([]);
});

/** Also the calls by which a process ends and says why. */
for (const noNewPrivileges of [false, true])
  check(`a filter that forbids all calls is the end, noNewPrivileges ${noNewPrivileges}`, async (t) => {
    const c = t.container((spec) => {
      spec.process.noNewPrivileges = noNewPrivileges;
      spec.linux.seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [] };
    });
    expectRefused(await c.run({ timeoutMs: 10_000 }));
    expect(await t.leftNow()).toEqual([]);
  });

/** Files that are no configuration at all. */
const TEXTS: Readonly<Record<string, string>> = {
  "an empty config.json": "",
  "blanks only": " \n",
  "broken JSON": '{"ociVersion": "1.0.2", ',
  "JSON with a trailing comma": '{"ociVersion": "1.0.2",}',
  "an array": "[]",
  null: "null",
  "a number": "42",
  "binary rubbish": "\u0000\u0001\u0002\ufffd",
};
for (const [what, text] of Object.entries(TEXTS))
  check(`bad config.json: ${what}`, async (t) => {
    const c = t.container();
    writeFileSync(c.file("config.json"), text);
    expectRefused(await runtime(["create", "--bundle", c.bundle, c.id]));
    expect(await t.leftNow()).toEqual([]);
  });

check("bad bundle: there is no config.json", async (t) => {
  const c = t.container();
  expectRefused(await runtime(["create", "--bundle", c.bundle, c.id]));
  expect(await t.leftNow()).toEqual([]);
});

check("bad bundle: config.json is a directory", async (t) => {
  const c = t.container();
  mkdirSync(c.file("config.json"));
  expectRefused(await runtime(["create", "--bundle", c.bundle, c.id]));
});

check("bad bundle: the directory does not exist", async (t) => {
  const c = t.container();
  expectRefused(await runtime(["create", "--bundle", "/nonexistent/bundle", c.id]));
  expect(await t.leftNow()).toEqual([]);
});

check("bad program: it does not exist", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/nonexistent/program"];
  });
  c.save();
  const result = await c.run();
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("no such file or directory");
  expect(await t.leftNow()).toEqual([]);
});

check("bad program: it is not in PATH", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["no-such-program"];
  });
  const result = await c.run();
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("executable file not found in $PATH");
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("SCHED_DEADLINE that the kernel refuses is an error that says what it needs", async (t) => {
  const c = t.container();
  const times = (runtime: number, period: number) => ({ runtime, deadline: period, period });
  const refuse = async (hint: string, scheduler: Record<string, unknown>) => {
    c.spec.process.scheduler = { policy: "SCHED_DEADLINE", ...scheduler };
    const result = await c.run();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("(at /process/scheduler); hint: ");
    expect(result.stderr).toContain(hint);
  };
  await refuse("1024 ns at least", times(10, 30));
  if (cpus().length < 2 || !hasController("cpuset")) return;
  c.spec.linux.resources = { cpu: { cpus: "0" } };
  await refuse("all CPUs", times(10_000_000, 30_000_000));
  expect(await t.leftNow()).toEqual([]);
});

/** As the search of Go, which passes over what cannot be executed. */
for (const name of ["", ".", "..", "plain", "directory"])
  check(`bad program: ${JSON.stringify(name)} is not found in PATH`, async (t) => {
    const c = t.container((spec, self) => {
      mkdirSync(self.inside("opt/directory"), { recursive: true });
      writeFileSync(self.inside("opt/plain"), "#!/bin/sh\n", { mode: 0o644 });
      spec.process.env = ["PATH=/nowhere:/opt:/bin", `CONFORMANCE=${TAG}`];
      spec.process.args = [name];
    });
    const result = await c.run();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("executable file not found in $PATH");
    await c.up();
    const executed = await c.verb("exec", name);
    expect(executed.stderr).toContain("executable file not found in $PATH");
  });

check("bad program: a directory", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/etc"];
  });
  const result = await c.run();
  expect(result.code).toBe(1);
  expect(result.stderr.toLowerCase()).toMatch(/permission denied|is a directory/);
});

check("bad program: its interpreter does not exist", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("run.sh"), "#!/nonexistent\n", { mode: 0o755 });
    spec.process.args = ["/run.sh"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("no such file or directory");
  expect(await t.leftNow()).toEqual([]);
});

check("bad program: not an executable format", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("rubbish"), "\u0000\u0001\u0002", { mode: 0o755 });
    spec.process.args = ["/rubbish"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr.toLowerCase()).toContain("exec format error");
});

check("bad pid file: its directory does not exist", async (t) => {
  const c = t.container();
  expectRefused(await c.tryCreate({ flags: ["--pid-file", "/nonexistent/dir/pid"] }));
  expect(await t.leftNow()).toEqual([]);
});

check("bad pid file: it is a directory", async (t) => {
  const c = t.container();
  expectRefused(await c.tryCreate({ flags: ["--pid-file", c.bundle] }));
  expect(await t.leftNow()).toEqual([]);
});

check("bad state root: it is a file", async (t) => {
  const c = t.container();
  c.save();
  writeFileSync(c.file("file"), "");
  const result = await runtime(["create", "--bundle", c.bundle, c.id], { global: ["--root", c.file("file")] });
  expect(result.code).toBe(1);
  expect(await t.leftNow()).toEqual([]);
});

check("list with a --root that does not exist fails and does not make it", async (t) => {
  const c = t.container();
  const root = c.file("no-root");
  const result = await runtime(["list"], { global: ["--root", root] });
  expect(result.code).toBe(1);
  expect(existsSync(root)).toBe(false);
});

check("bad program: in a directory that the user may not enter", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.capabilities = {}; // they hold until execve(2) for any user
    spec.process.args = ["/private/program"];
  });
  mkdirSync(c.inside("private"), { mode: 0o700 });
  writeFileSync(c.inside("private/program"), "#!/bin/sh\n", { mode: 0o755 });
  const result = await c.run();
  expect(result.code).toBe(1);
  expect(result.stderr.toLowerCase()).toMatch(/permission denied/);
});

for (const args of [["create"], ["start"], ["kill"], ["delete"], ["state"], ["run"]])
  check(`${args[0]} without an id is a usage error`, async (t) => {
    const c = t.container();
    c.save();
    const result = await runtime(args, { cwd: c.bundle });
    expect(result.code).not.toBe(0);
    expect(result.stderr).not.toBe("");
    expect(await t.leftNow()).toEqual([]);
  });

check("an unknown flag is refused", async (t) => {
  const c = t.container();
  c.save();
  const result = await runtime(["create", "--no-such-flag", "--bundle", c.bundle, c.id]);
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("no-such-flag");
  expect(await t.leftNow()).toEqual([]);
});

check("errors go to --log as JSON with level and msg", async (t) => {
  const c = t.container();
  const log = c.file("log.json");
  const result = await runtime(["create", "--bundle", "/nonexistent/bundle", c.id], {
    global: ["--root", stateRoot(), "--log", log, "--log-format", "json"],
  });
  expect(result.code).toBe(1);
  const entries = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; msg: string; time: string });
  const error = entries.find(({ level }) => level === "error");
  expect(error?.msg).toContain("/nonexistent/bundle");
  expect(Number.isNaN(Date.parse(error?.time ?? ""))).toBe(false);
});

check("exec refuses a variable without a value, as create does", async (t) => {
  const c = t.container();
  await c.up();
  const result = await runtime(["exec", "--env", "NAME", c.id, "/bin/true"]);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 255, stdout: "" });
  expect(result.stderr).toContain("NAME");
});
