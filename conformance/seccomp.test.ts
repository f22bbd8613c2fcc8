import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { kernelAtLeast } from "./lib/host.ts";
import { grant } from "./lib/spec.ts";
import { stateRoot } from "./lib/workspace.ts";

area();

const ARCHITECTURES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
const architectures = process.arch === "x64" ? ARCHITECTURES : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

function deny(names: string[], action: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { defaultAction: "SCMP_ACT_ALLOW", architectures, syscalls: [{ names, action, ...more }] };
}

check("without seccomp in config.json no filter is installed", async (t) => {
  expect((await t.container().probe("report")).report.seccomp).toBe(0);
});

check("a filter is installed: the program is in seccomp mode 2", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["mkdirat", "mkdir"], "SCMP_ACT_ERRNO");
  });
  expect((await c.probe("report")).report.seccomp).toBe(2);
});

check("SCMP_ACT_ERRNO gives EPERM, and what is not named works", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
  });
  const result = await c.probe("mkdir=/tmp/a", "creat=/tmp/b");
  expect([result.of("mkdir=/tmp/a"), result.of("creat=/tmp/b")]).toEqual(["EPERM", "OK"]);
});

check("errnoRet is the error the program sees", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 28 });
  });
  expect((await c.probe("mkdir=/tmp/a")).of("mkdir=/tmp/a")).toBe("ENOSPC");
});

check("args narrow a rule down: only the mode named is refused", async (t) => {
  const args = (index: number) => [{ index, value: 0o777, op: "SCMP_CMP_EQ" }];
  const c = t.container((spec) => {
    spec.linux.seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures,
      syscalls: [
        { names: ["chmod"], action: "SCMP_ACT_ERRNO", errnoRet: 5, args: args(1) },
        { names: ["fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 5, args: args(2) },
      ],
    };
  });
  const result = await c.probe("creat=/tmp/f", "chmod=/tmp/f,777", "chmod=/tmp/f,700");
  expect([result.of("chmod=/tmp/f,777"), result.of("chmod=/tmp/f,700")]).toEqual(["EIO", "OK"]);
});

for (const count of [2, 7, 100]) {
  check(`of ${count} conditions on one argument any one is enough`, async (t) => {
    const modes = Array.from({ length: count }, (_, i) => 0o600 + i);
    const args = (index: number) => modes.map((value) => ({ index, value, op: "SCMP_CMP_EQ" }));
    const c = t.container((spec) => {
      spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures,
        syscalls: [
          { names: ["chmod"], action: "SCMP_ACT_ERRNO", errnoRet: 5, args: args(1) },
          { names: ["fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 5, args: args(2) },
        ],
      };
    });
    const refused = [0, 1, count - 1].map((i) => `chmod=/tmp/f,${(0o600 + i).toString(8)}`);
    const allowed = `chmod=/tmp/f,${(0o600 + count).toString(8)}`;
    const result = await c.probe("creat=/tmp/f", ...refused, allowed);
    expect([...refused, allowed].map((step) => result.of(step))).toEqual(["EIO", "EIO", "EIO", "OK"]);
  });
}

check("the filter works together with noNewPrivileges and an ordinary user", async (t) => {
  const c = t.container((spec) => {
    spec.process.noNewPrivileges = true;
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 28 });
  });
  const result = await c.probe("mkdir=/tmp/a", "report");
  expect(result.of("mkdir=/tmp/a")).toBe("ENOSPC");
  expect(result.report.noNewPrivileges).toBe(1);
});

check("a filter that refuses what the runtime itself does at set-up does no harm", async (t) => {
  const c = t.container((spec) => {
    grant(spec, "CAP_SYS_ADMIN");
    spec.linux.seccomp = deny(
      ["mount", "pivot_root", "umount2", "sethostname", "setns", "unshare", "mkdir", "mknod"],
      "SCMP_ACT_ERRNO",
    );
  });
  const result = await c.probe("sethostname=x", "mkdir=/tmp/a");
  expect([result.of("sethostname=x"), result.of("mkdir=/tmp/a")]).toEqual(["EPERM", "EPERM"]);
});

check("SCMP_ACT_KILL_PROCESS ends the program with SIGSYS", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_KILL_PROCESS");
    spec.process.args = ["/bin/probe", "mkdir=/tmp/a"];
  });
  expect((await c.run()).code).toBe(128 + 31);
});

check("a syscall name that the kernel does not know is ignored", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["no_such_call_at_all", "mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
  });
  expect((await c.probe("mkdir=/tmp/a")).of("mkdir=/tmp/a")).toBe("EPERM");
});

check("an unknown action is refused and leaves nothing", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["mkdir"], "SCMP_ACT_NONSENSE");
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

/** What the runtime itself calls on its way to the program, after or shortly before the filter is there. */
const IDENTITY = "setuid setgid setgroups setresuid setresgid setreuid setregid capset chown fchown chdir".split(" ");

for (const noNewPrivileges of [false, true]) {
  const how = `${noNewPrivileges ? "with" : "without"} noNewPrivileges`;

  check(`an ordinary user gets the filter and no capability that loading it needs, ${how}`, async (t) => {
    const c = t.container((spec) => {
      spec.process.noNewPrivileges = noNewPrivileges;
      spec.process.user = { uid: 1000, gid: 1000, additionalGids: [29] };
      spec.process.capabilities = { bounding: ["CAP_KILL"] };
      spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 28 });
    });
    const result = await c.probe("mkdir=/tmp/a", "report");
    expect(result.of("mkdir=/tmp/a")).toBe("ENOSPC");
    const { uids, caps, seccomp } = result.report;
    expect({ uids, seccomp }).toEqual({ uids: [1000, 1000, 1000], seccomp: 2 });
    expect(caps).toMatchObject({ effective: "0", permitted: "0", bounding: "20" });
    expect(result.report.noNewPrivileges).toBe(noNewPrivileges ? 1 : 0);
  });
}

check("with noNewPrivileges a profile may deny what setting the identity needs", async (t) => {
  const c = t.container((spec) => {
    spec.process.noNewPrivileges = true;
    spec.process.user = { uid: 1000, gid: 1000, additionalGids: [29] };
    spec.process.cwd = "/tmp";
    spec.linux.seccomp = deny(IDENTITY, "SCMP_ACT_ERRNO");
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], groups: [29], cwd: "/tmp", seccomp: 2 });
});

// seccomp(2): without no_new_privs the filter must be loaded while CAP_SYS_ADMIN is held. It alone is kept until then.
checkTsrunc("without noNewPrivileges it may too", async (t) => {
  const c = t.container((spec) => {
    spec.process.noNewPrivileges = false;
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.linux.seccomp = deny(["setresuid", "setuid", "capset"], "SCMP_ACT_ERRNO", { errnoRet: 28 });
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], seccomp: 2 });
  expect(report.caps).toMatchObject({ effective: "0", permitted: "0" });
});

const FLAGS: readonly (readonly [name: string, since: string])[] = [
  ["SECCOMP_FILTER_FLAG_LOG", "4.14"],
  ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "4.17"],
  ["SECCOMP_FILTER_FLAG_TSYNC", "3.17"],
];
const names = FLAGS.filter(([, since]) => kernelAtLeast(since)).map(([name]) => name);

for (const flags of [...names.map((name) => [name]), names, []]) {
  check(`flags ${flags.join(", ") || "of an empty list"}: the filter is in force`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.seccomp = { ...deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 28 }), flags };
    });
    expect((await c.probe("mkdir=/tmp/a")).of("mkdir=/tmp/a")).toBe("ENOSPC");
  });
}

check("an unknown flag is refused and leaves nothing", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = { ...deny(["mkdir"], "SCMP_ACT_ERRNO"), flags: ["SECCOMP_FILTER_FLAG_NONSENSE"] };
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("a flag that works only with NOTIFY is refused without it", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = { ...deny(["mkdir"], "SCMP_ACT_ERRNO"), flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] };
  });
  const { stderr } = await c.tryCreate();
  expect(stderr).toContain("/linux/seccomp/flags/0: works only with an action `SCMP_ACT_NOTIFY`");
});

checkTsrunc(
  "a flag that the kernel lacks is refused with its place; a profile without flags is not touched",
  async (t) => {
    // personality(UNAME26): a kernel that says it is 2.6
    const shell = 'set -- setarch "$(uname -m)" --uname-2.6 "$@";';
    const c = t.container((spec) => {
      spec.linux.seccomp = { ...deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"), flags: ["SECCOMP_FILTER_FLAG_LOG"] };
    });
    const { code, stderr } = await c.tryCreate({ shell });
    expect(code).toBe(1);
    expect(stderr).toContain("/linux/seccomp/flags/0: this kernel has no flag `SECCOMP_FILTER_FLAG_LOG`");
    expect(await t.leftNow()).toEqual([]);
    c.spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    expect((await c.probeWith({ shell }, "mkdir=/tmp/a")).of("mkdir=/tmp/a")).toBe("EPERM");
  },
);

checkTsrunc("system calls that nobody knows are told with --debug only", async (t) => {
  const c = t.container((spec) => {
    spec.linux.seccomp = deny(["no_such_call_at_all", "cacheflush", "mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    spec.process.args = ["/bin/true"];
  });
  expect((await c.run()).stderr).toBe("");
  const global = ["--root", stateRoot(), "--debug"];
  for (const cached of [false, true]) {
    const { stderr } = await c.run({ global });
    const told = stderr.split("\n").filter((line) => line.includes("unknown system call"));
    expect({ cached, told: told.length }).toEqual({ cached, told: 1 });
    expect(told[0]).toContain("no_such_call_at_all");
  }
});

/** Whether what seccomp logs is in the kernel's log: audit is compiled in, and no daemon takes its records. */
function auditIsVisible(): boolean {
  if (!existsSync("/proc/self/loginuid")) return false;
  return spawnSync("pgrep", ["-x", "auditd"]).status === 1;
}

/** Records of the probe's calls with that code: audit prints only some where there are many (printk_ratelimit). */
function logged(code: string): readonly string[] {
  const lines = spawnSync("dmesg", { encoding: "utf8" }).stdout.split("\n");
  return lines.filter((line) => line.includes("type=1326") && line.includes(code) && line.includes('exe="/bin/probe"'));
}

for (const [how, action, more, outcome, code] of [
  ["SCMP_ACT_LOG", "SCMP_ACT_LOG", {}, "OK", "code=0x7ffc0000"],
  ["SECCOMP_FILTER_FLAG_LOG", "SCMP_ACT_ERRNO", { errnoRet: 99 }, "errno 99", "code=0x50000"],
] as const) {
  check(`${how}: the call has its result, and the kernel's log tells of it`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.seccomp = deny(["mkdir", "mkdirat"], action, more);
      if (action !== "SCMP_ACT_LOG") spec.linux.seccomp.flags = [how];
    });
    const visible = auditIsVisible();
    for (let tries = 0; tries < 5; tries++) {
      const before = logged(code).at(-1);
      const result = await c.probe("mkdir=/tmp/a", "report");
      expect([result.of("mkdir=/tmp/a"), result.report.seccomp]).toEqual([outcome, 2]);
      if (!visible || logged(code).at(-1) !== before) return;
      await new Promise((resolve) => setTimeout(resolve, 2000));
      rmSync(c.inside("tmp/a"), { recursive: true, force: true });
    }
    throw new Error(`no record of seccomp with ${code} in the kernel's log`);
  });
}

checkTsrunc(
  "a filter in the cache changes nothing: a changed profile is another one, a wrong one is refused",
  async (t) => {
    const c = t.container();
    for (const [action, outcome] of [
      ["SCMP_ACT_ERRNO", "EPERM"],
      ["SCMP_ACT_ERRNO", "EPERM"],
      ["SCMP_ACT_LOG", "EEXIST"],
      ["SCMP_ACT_ERRNO", "EPERM"],
    ] as const) {
      c.spec.linux.seccomp = deny(["mkdir", "mkdirat"], action);
      expect((await c.probe("mkdir=/tmp")).of("mkdir=/tmp")).toBe(outcome);
    }
    expect(readdirSync("/run/tsrunc-cache/seccomp").length).toBeGreaterThanOrEqual(2);
    expect(readdirSync(stateRoot())).toEqual([]);
    for (let i = 0; i < 2; i++) {
      c.spec.linux.seccomp = deny(["mkdir"], "SCMP_ACT_NONSENSE");
      expect((await c.tryCreate()).code).toBe(1);
    }
  },
);

for (const noNewPrivileges of [false, true]) {
  check(`startContainer hooks run under the filter, noNewPrivileges ${noNewPrivileges}`, async (t) => {
    const args = ["sh", "-c", "grep ^Seccomp: /proc/self/status >/tmp/hook"];
    const c = t.container((spec) => {
      spec.process.noNewPrivileges = noNewPrivileges;
      spec.hooks = { startContainer: [{ path: "/bin/sh", args }] };
      spec.linux.seccomp = deny(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    });
    expect((await c.probe("read=/tmp/hook")).of("read=/tmp/hook")).toEqual({ data: "Seccomp:\t2\n" });
  });
}

const REFUSED: Readonly<Record<string, object>> = {
  "a rule without names": { syscalls: [{ action: "SCMP_ACT_ERRNO" }] },
  "a rule without names, but with a list of them": { syscalls: [{ names: [], action: "SCMP_ACT_ERRNO" }] },
  "errnoRet with an action that has none": {
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_KILL_PROCESS", errnoRet: 1 }],
  },
  "defaultErrnoRet with an action that has none": { defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1 },
  "listenerMetadata without listenerPath": { listenerMetadata: "text" },
};
for (const [what, more] of Object.entries(REFUSED))
  check(`${what} is refused`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", ...more };
    });
    expect((await c.tryCreate()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });
