/** Resource limits, capabilities and scheduling of the process. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { CAP_SYS_RESOURCE, hostHasCapability } from "./lib/host.ts";
import { runtime } from "./lib/runtime.ts";
import { type Process, USUAL_CAPABILITIES } from "./lib/spec.ts";

area();

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

const REALTIME = existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us");
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
      // with CONFIG_RT_GROUP_SCHED a cgroup has no real-time budget unless it is given one (sched-rt-group)
      if (REALTIME && "priority" in extra)
        spec.linux.resources = { cpu: { realtimePeriod: 1_000_000, realtimeRuntime: 50_000 } };
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
