/** Fields of config.json that no other case is about: see fields.json. */
import { spawnSync } from "node:child_process";
import { blockDevice, readControl } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { lacksControlFiles } from "./lib/needs.ts";
import type { HookKind, Spec } from "./lib/spec.ts";
import { setNamespace } from "./lib/spec.ts";
import { probeProgram } from "./lib/workspace.ts";

area();

/** What a hook of this kind that does not end makes fail. */
const FAILS: Readonly<Record<HookKind, "create" | "start" | undefined>> = {
  prestart: "create",
  createRuntime: "create",
  createContainer: "create",
  startContainer: "start",
  poststart: "start",
  poststop: undefined,
};

for (const [kind, fails] of Object.entries(FAILS) as [HookKind, "create" | "start" | undefined][])
  check(`the timeout of a ${kind} hook ends it after so many seconds`, async (t) => {
    const c = t.container((spec) => {
      spec.hooks = { [kind]: [{ path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1 }] };
      spec.process.args = ["/bin/true"];
    });
    const start = Date.now();
    const created = await c.tryCreate();
    expect(created.code === 0).toBe(fails !== "create");
    if (created.code === 0) {
      expect((await c.verb("start")).code === 0).toBe(fails !== "start");
      if (fails === undefined) await c.waitForStatus("stopped");
      await c.verb("delete", "--force");
    }
    const seconds = (Date.now() - start) / 1000;
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThan(30);
  });

check(
  "a device rule is for its type: a block device's is not for the character device of the same number",
  async (t) => {
    // /dev/loop-control, whether there is a driver or not.
    const node = { path: "/dev/mine", type: "c", major: 10, minor: 237, fileMode: 0o666 };
    const opened = async (type: string) => {
      const c = t.container((spec) => {
        spec.linux.devices = [node];
        spec.linux.resources = {
          devices: [
            { allow: false, access: "rwm" },
            { allow: true, type: "c", major: 10, minor: 237, access: "m" },
            { allow: true, type, major: 10, minor: 237, access: "rw" },
          ],
        };
      });
      return (await c.probe("openr=/dev/mine")).of("openr=/dev/mine");
    };
    expect(await opened("b")).toBe("EPERM");
    expect(await opened("c")).not.toBe("EPERM");
  },
);

const V2 = cgroupVersion() === 2;
const device = blockDevice("bfq") ?? { major: 0, minor: 0 };
const [controller, file] = V2 ? (["io", "io.bfq.weight"] as const) : (["blkio", "blkio.bfq.weight_device"] as const);
given(device.major === 0 ? "a block device with the scheduler bfq" : lacksControlFiles(controller, [file]), () => {
  check("blockIO.weightDevice is the weight of that device", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { blockIO: { weightDevice: [{ ...device, weight: 321 }] } };
    });
    await c.create();
    expect(readControl(await c.pid(), controller, file)).toContain(`${device.major}:${device.minor} 321`);
  });
});

/** What the probe and any runtime need, and more. */
const USUAL =
  "accept accept4 access arch_prctl bind brk capget capset chdir chmod chown clock_gettime clock_nanosleep clone clone3 close " +
  "close_range connect dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 execve execveat exit exit_group " +
  "faccessat faccessat2 fchdir fchmod fchown fcntl fstat fstatfs futex getcwd getdents getdents64 getegid geteuid getgid " +
  "getgroups getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getsid getsockname " +
  "getsockopt gettid getuid ioctl kill lseek lstat madvise mkdir mkdirat mmap mount mprotect mremap munmap nanosleep " +
  "newfstatat open openat openat2 pipe pipe2 poll ppoll prctl pread64 prlimit64 pwrite64 read readlink readlinkat readv recvfrom " +
  "recvmsg restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend sched_getaffinity sched_yield seccomp " +
  "sendmmsg sendmsg sendto set_robust_list set_tid_address setgid setgroups setpriority setresgid setresuid setsid setuid " +
  "sigaltstack socket socketpair stat statfs statx symlink sysinfo tgkill umask uname unlink unlinkat vfork wait4 waitid write writev";

function allowOnly(spec: Spec, names: readonly string[], more: object): void {
  spec.linux.seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names, action: "SCMP_ACT_ALLOW" }],
    ...more,
  };
}

for (const [sentence, more, expected] of [
  ["the default action is for calls that no rule names", {}, "EPERM"],
  ["defaultErrnoRet is the error of the default action", { defaultErrnoRet: 99 }, "errno 99"],
] as const)
  check(sentence, async (t) => {
    const c = t.container((spec) => {
      allowOnly(spec, USUAL.split(" "), more);
    });
    const result = await c.probe("sethostname=x", "mkdir=/tmp/x");
    expect(result.of("sethostname=x")).toBe(expected);
    expect(result.of("mkdir=/tmp/x")).toBe("OK");
  });

/** Whether this kernel runs calls of i386 at all. */
function runsI386(): boolean {
  const { status, stdout } = spawnSync(probeProgram(), ["int80=x"], { encoding: "utf8" });
  return status === 0 && stdout.includes('"OK"');
}

given(runsI386() ? undefined : "32-bit calls on x86-64", () => {
  check("a filter is for its architectures: calls of another one end the program", async (t) => {
    const outcome = async (architectures: readonly string[]) => {
      const c = t.container((spec) => {
        spec.linux.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          architectures,
          syscalls: [{ names: ["swapon"], action: "SCMP_ACT_ERRNO" }],
        };
      });
      c.spec.process.args = ["/bin/probe", "int80=x"];
      return await c.run();
    };
    expect(await outcome(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])).toMatchObject({ code: 0 });
    expect((await outcome(["SCMP_ARCH_X86_64"])).code).not.toBe(0);
  });
});

check("valueTwo of SCMP_CMP_MASKED_EQ is what the masked argument is compared with", async (t) => {
  const made = async (valueTwo: number) => {
    const rule = (name: string, index: number) => ({
      names: [name],
      action: "SCMP_ACT_ERRNO",
      args: [{ index, value: 0o700, valueTwo, op: "SCMP_CMP_MASKED_EQ" }],
    });
    const c: Container = t.container((spec) => {
      spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule("mkdir", 1), rule("mkdirat", 2)] };
    });
    return (await c.probe("mkdir=/tmp/x")).of("mkdir=/tmp/x"); // with mode 0755
  };
  expect(await made(0o700)).toBe("EPERM");
  expect(await made(0o500)).toBe("OK");
});

check("memoryPolicy with a flag", async (t) => {
  const MPOL_BIND = 2;
  const MPOL_F_STATIC_NODES = 1 << 15;
  const c = t.container((spec) => {
    spec.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] };
  });
  expect((await c.probe("report")).report.memoryPolicy.mode).toBe(MPOL_BIND | MPOL_F_STATIC_NODES);
});

check("nanosecs of a time offset are set, to the nanosecond", async (t) => {
  const c = t.container((spec) => {
    setNamespace(spec, "time");
    spec.linux.timeOffsets = { monotonic: { secs: 7, nanosecs: 123456789 } };
  });
  expect((await c.probe("read=/proc/self/timens_offsets")).data("/proc/self/timens_offsets")).toMatch(
    /^monotonic +7 +123456789$/m,
  );
});
