import { expect } from "bun:test";
import { area, check } from "./lib/harness.ts";
import { grant } from "./lib/spec.ts";

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
