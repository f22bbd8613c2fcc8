import { expect } from "bun:test";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { area, check } from "./lib/harness.ts";
import { CAP_SYS_RESOURCE, hostHasCapability } from "./lib/host.ts";
import { runtime } from "./lib/runtime.ts";
import { grant, type Process, USUAL_CAPABILITIES, useUserNamespace } from "./lib/spec.ts";

area();

check("args are passed as they are, blanks and empty ones too", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "report", "", "a b", "$HOME", "é"];
  });
  const { stdout } = await c.run();
  expect(JSON.parse(stdout).report.args.slice(1, 5)).toEqual(["report", "", "a b", "$HOME"]);
});

check("args[0] without a slash is looked up in PATH inside the container", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.inside("opt"));
    writeFileSync(self.inside("opt/only-here"), "#!/bin/sh\necho found\n", { mode: 0o755 });
    spec.process.env = ["PATH=/nowhere:/opt:/bin"];
    spec.process.args = ["only-here"];
  });
  expect(await c.run()).toMatchObject({ code: 0, stdout: "found\n" });
});

check("a relative args[0] with a slash is taken from cwd", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/bin";
    spec.process.args = ["./echo", "hello"];
  });
  expect(await c.run()).toMatchObject({ code: 0, stdout: "hello\n" });
});

check("a host program that is not in the rootfs is not found", async (t) => {
  const c = t.container((spec) => {
    spec.process.env = [`PATH=${process.env.PATH}`];
    spec.process.args = ["bun-or-bash-of-the-host"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("executable file");
});

check("a program without execute permission is refused", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("plain"), "#!/bin/sh\n", { mode: 0o644 });
    spec.process.args = ["/plain"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr.toLowerCase()).toContain("permission denied");
});

check("env is exactly what config.json says, plus HOME", async (t) => {
  const c = t.container((spec) => {
    spec.process.env.push("A=1", "B=with blank", "C=", "HOME=/mine");
  });
  const { report } = await c.probeWith({ env: { LEAK: "1", BUN_OPTIONS: "", NODE_OPTIONS: "" } }, "report");
  expect(report.env.toSorted()).toEqual(c.spec.process.env.toSorted());
});

for (const [uid, home] of [
  [0, "/root"],
  [1000, "/home/app"],
  [4711, "/"],
] as const)
  check(`HOME defaults to ${home} for uid ${uid} of the container's passwd`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid, gid: uid };
    });
    expect((await c.probe("report")).report.env).toContain(`HOME=${home}`);
  });

check("user sets real, effective and saved ids and drops all groups", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1001 };
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], gids: [1001, 1001, 1001] });
  expect(report.groups.filter((gid) => gid !== 1001)).toEqual([]);
});

check("additionalGids are set, in any order", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000, additionalGids: [29, 5, 100000] };
  });
  const { report } = await c.probe("report");
  expect(report.groups.filter((gid) => gid !== 1000).toSorted((a, b) => a - b)).toEqual([5, 29, 100000]);
});

check("umask is set to user.umask", async (t) => {
  const c = t.container((spec) => {
    spec.process.user.umask = 0o027;
  });
  expect((await c.probe("report")).report.umask).toBe(0o027);
});

check("umask is 0022 when config.json has none, whatever the caller's is", async (t) => {
  const c = t.container();
  expect((await c.probeWith({ shell: "umask 077;" }, "report")).report.umask).toBe(0o022);
});

check("the caller's umask does not change the modes of what the runtime makes", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/made/by/runtime", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probeWith({ shell: "umask 077;" }, "stat=/made", "stat=/dev/null", "stat=/dev/zero");
  expect(result.stat("stat=/made").mode).toBe(0o755);
  expect(result.stat("stat=/dev/null").mode).toBe(0o666);
  expect(result.stat("stat=/dev/zero").mode).toBe(0o666);
});

check("cwd is made when it is missing", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/new/deep/dir";
  });
  expect((await c.probe("report")).report.cwd).toBe("/new/deep/dir");
  expect(statSync(c.inside("new/deep/dir")).isDirectory()).toBe(true);
});

check("cwd through a symlink ends at its target inside the container", async (t) => {
  const c = t.container((spec, self) => {
    symlinkSync("/home/app", self.inside("link"));
    spec.process.cwd = "/link";
  });
  expect((await c.probe("report")).report.cwd).toBe("/home/app");
});

check("a cwd that is a file is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/etc/passwd";
  });
  expect((await c.run()).code).not.toBe(0);
});

check("cwd may be a directory that only the user may enter", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/private", type: "tmpfs", source: "tmpfs", options: ["mode=700", "uid=1000"] });
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.capabilities = {};
    spec.process.cwd = "/private";
  });
  expect((await c.probe("report")).report.cwd).toBe("/private");
});

const PRIVILEGED = hostHasCapability(CAP_SYS_RESOURCE);
const RLIMITS = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK LOCKS SIGPENDING MSGQUEUE RTTIME".split(" ");
if (PRIVILEGED) RLIMITS.push("NICE", "RTPRIO"); // their hard limits are 0 by default
for (const [index, name] of RLIMITS.entries())
  check(`rlimit RLIMIT_${name} is set, soft and hard`, async (t) => {
    const soft = name === "STACK" || name === "DATA" || name === "FSIZE" ? 8_000_000 + index * 4096 : 40 + index;
    const c = t.container((spec) => {
      spec.process.rlimits = [{ type: `RLIMIT_${name}`, soft, hard: soft * 2 }];
    });
    expect((await c.probe("report")).report.rlimits[`RLIMIT_${name}`]).toEqual([String(soft), String(soft * 2)]);
  });

check("rlimit values of 2^64-1 mean no limit", async (t) => {
  const c = t.container();
  c.spec.process.rlimits = [{ type: "RLIMIT_AS", soft: 1 << 30, hard: 0 }];
  c.spec.process.args = ["/bin/probe", "report"];
  c.save();
  const text = readFileSync(c.file("config.json"), "utf8").replace(/"hard": 0/, '"hard": 18446744073709551615');
  writeFileSync(c.file("config.json"), text);
  const { stdout } = await runtime(["run", "--bundle", c.bundle, c.id]);
  expect(JSON.parse(stdout).report.rlimits.RLIMIT_AS).toEqual([String(1 << 30), "18446744073709551615"]);
});

check("the stack limit is the caller's when config.json sets none", async (t) => {
  const { report } = await t.container().probeWith({ shell: "ulimit -s 4096;" }, "report");
  expect(report.rlimits.RLIMIT_STACK?.[0]).toBe(String(4096 * 1024));
});

function mask(...names: string[]): string {
  const order =
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP".split(
      " ",
    );
  return names.reduce((bits, name) => bits | (1n << BigInt(order.indexOf(name.replace("CAP_", "")))), 0n).toString(16);
}

check("the bounding, permitted and effective sets of root are those of config.json", async (t) => {
  const { caps } = (await t.container().probe("report")).report;
  const all = mask(...USUAL_CAPABILITIES);
  expect(caps).toEqual({ bounding: all, permitted: all, effective: all, inheritable: "0", ambient: "0" });
});

check("root's permitted set is all of the bounding set after exec, and no more", async (t) => {
  const c = t.container((spec) => {
    spec.process.capabilities = {
      bounding: ["CAP_KILL", "CAP_CHOWN"],
      permitted: ["CAP_KILL"],
      effective: ["CAP_KILL"],
    };
  });
  const { caps } = (await c.probe("report")).report;
  expect(caps.bounding).toBe(mask("KILL", "CHOWN"));
  expect(caps.permitted).toBe(mask("KILL", "CHOWN")); // capabilities(7): uid 0 gains F(permitted) & bounding
});

check("a process without capabilities in config.json has none, not even in the bounding set", async (t) => {
  const c = t.container((spec) => {
    delete (spec.process as Partial<Process>).capabilities;
  });
  const { caps } = (await c.probe("report")).report;
  expect(caps).toEqual({ bounding: "0", permitted: "0", effective: "0", inheritable: "0", ambient: "0" });
});

check("an ordinary user has no permitted or effective capabilities without ambient ones", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000 };
  });
  const { caps } = (await c.probe("report")).report;
  expect(caps).toEqual({
    bounding: mask(...USUAL_CAPABILITIES),
    permitted: "0",
    effective: "0",
    inheritable: "0",
    ambient: "0",
  });
});

check("ambient capabilities reach an ordinary user's program", async (t) => {
  const only = ["CAP_NET_BIND_SERVICE"];
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.capabilities = { bounding: only, effective: only, permitted: only, inheritable: only, ambient: only };
  });
  const bit = mask("NET_BIND_SERVICE");
  expect((await c.probe("report")).report.caps).toEqual({
    bounding: bit,
    permitted: bit,
    effective: bit,
    inheritable: bit,
    ambient: bit,
  });
});

check("the inheritable set is exactly that of config.json", async (t) => {
  const c = t.container((spec) => {
    spec.process.capabilities!.inheritable = ["CAP_CHOWN"];
  });
  const { caps } = (await c.probe("report")).report;
  expect(caps).toMatchObject({ inheritable: mask("CHOWN"), ambient: "0" });
});

check("a capability that is not in the effective set cannot be used", async (t) => {
  const c = t.container((spec) => {
    const kept = USUAL_CAPABILITIES.filter((name) => name !== "CAP_CHOWN");
    spec.process.capabilities = { bounding: kept, permitted: kept, effective: kept };
  });
  expect((await c.probe("chown=/etc/passwd,1,1")).of("chown=/etc/passwd,1,1")).toBe("EPERM");
});

for (const value of [true, false])
  check(`noNewPrivileges ${value} sets the flag to ${Number(value)}`, async (t) => {
    const c = t.container((spec) => {
      spec.process.noNewPrivileges = value;
    });
    expect((await c.probe("report")).report.noNewPrivileges).toBe(Number(value));
  });

for (const value of PRIVILEGED ? [-500, 0, 17, 1000] : [0, 17, 1000])
  check(`oomScoreAdj ${value} is set`, async (t) => {
    const c = t.container((spec) => {
      spec.process.oomScoreAdj = value;
    });
    expect((await c.probe("report")).report.oomScoreAdj).toEqual([String(value)]);
  });

check("oomScoreAdj is the caller's when config.json has none", async (t) => {
  const { report } = await t.container().probeWith({ shell: "echo 321 >/proc/self/oom_score_adj;" }, "report");
  expect(report.oomScoreAdj).toEqual(["321"]);
});

const POLICY = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;

for (const [policy, extra] of [
  ["SCHED_OTHER", { nice: 7 }],
  ["SCHED_BATCH", { nice: -3 }],
  ["SCHED_IDLE", {}],
  ["SCHED_FIFO", { priority: 5 }],
  ["SCHED_RR", { priority: 99 }],
] as const)
  check(`scheduler ${policy} ${JSON.stringify(extra)} is set`, async (t) => {
    const c = t.container((spec) => {
      spec.process.scheduler = { policy, ...extra };
    });
    expect((await c.probe("report")).report.scheduler).toMatchObject({ policy: POLICY[policy], ...extra });
  });

check("scheduler flags: reset on fork is set", async (t) => {
  const c = t.container((spec) => {
    spec.process.scheduler = { policy: "SCHED_BATCH", nice: 1, flags: ["SCHED_FLAG_RESET_ON_FORK"] };
  });
  const { scheduler } = (await c.probe("report")).report;
  expect(scheduler.policy).toBe(POLICY.SCHED_BATCH);
  expect(scheduler.flags & 1).toBe(1);
});

check("scheduler SCHED_DEADLINE has its runtime, deadline and period in nanoseconds", async (t) => {
  const c = t.container((spec) => {
    spec.process.scheduler = { policy: "SCHED_DEADLINE", runtime: 1_000_000, deadline: 20_000_000, period: 30_000_000 };
  });
  expect((await c.probe("report")).report.scheduler).toMatchObject({
    policy: POLICY.SCHED_DEADLINE,
    runtime: 1_000_000,
    deadline: 20_000_000,
    period: 30_000_000,
  });
});

for (const [name, number, priority] of [
  ["IOPRIO_CLASS_RT", 1, 3],
  ["IOPRIO_CLASS_BE", 2, 6],
  ["IOPRIO_CLASS_IDLE", 3, 0],
] as const)
  check(`ioPriority ${name} ${priority} is set`, async (t) => {
    const c = t.container((spec) => {
      spec.process.ioPriority = { class: name, priority };
    });
    expect((await c.probe("report")).report.ioprio).toEqual({ class: number, level: priority });
  });

for (const [domain, value] of [
  ["LINUX", 0],
  ["LINUX32", 8],
] as const)
  check(`personality ${domain} is set`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.personality = { domain };
    });
    expect((await c.probe("report")).report.personality & 0xff).toBe(value);
  });

check("memoryPolicy MPOL_BIND on node 0 is set", async (t) => {
  const c = t.container((spec) => {
    spec.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0" };
  });
  expect((await c.probe("report")).report.memoryPolicy).toEqual({ mode: 2, nodes: 1 });
});

check("the program has stdin, stdout and stderr and no other descriptor", async (t) => {
  const { report } = await t.container().probe("report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
});

check("descriptors that the caller left open do not reach the program", async (t) => {
  const { report } = await t.container().probeWith({ shell: "exec 3</etc 5</ 7</dev/null 9>&1;" }, "report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
});

check("a created container's program gets the caller's own stdio files", async (t) => {
  const c = t.container();
  await c.create();
  await c.start();
  const { report } = await c.outputAsProbe();
  expect(report.fds.map(({ fd, type }) => `${fd} ${type}`)).toEqual(["0 c", "1 file", "2 file"]);
});

check("the program starts with default signals and an empty signal mask, whatever the caller ignores", async (t) => {
  const { report } = await t.container().probeWith({ shell: "trap '' PIPE USR1 INT QUIT CHLD;" }, "report");
  expect(report).toMatchObject({ sigIgnored: [], sigBlocked: [], sigCaught: [] });
});

check("the program is pid 1, session and group leader, dumpable, with no parent-death signal", async (t) => {
  const { report } = await t.container().probe("report");
  expect(report).toMatchObject({
    pid: 1,
    ppid: 0,
    sid: 1,
    pgid: 1,
    dumpable: 1,
    pdeathsig: 0,
    subreaper: 0,
    securebits: 0,
  });
});

check("the program has the caller's CPU affinity, nice value and scheduling policy", async (t) => {
  const { report } = await t
    .container()
    .probeWith({ shell: "taskset -p 1 $$ >/dev/null; renice -n 3 -p $$ >/dev/null 2>&1;" }, "report");
  expect(report.scheduler).toMatchObject({ policy: 0, nice: 3 });
});

check("settings hold for an ordinary user in a user namespace too", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    grant(spec, "CAP_SYS_ADMIN");
    spec.process.user = { uid: 1000, gid: 1000, umask: 0o077, additionalGids: [29] };
    spec.process.noNewPrivileges = true;
    spec.process.cwd = "/home/app";
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], umask: 0o077, noNewPrivileges: 1, cwd: "/home/app" });
  expect(report.groups).toContain(29);
  expect(report.caps.effective).toBe("0");
});
