/**
 * What the kernel does with a filter is what the emulator says: a static program inside of a container makes the calls.
 * Needs root and a built executable, as the conformance suite.
 */
import { expect } from "bun:test";
import { copyFileSync } from "node:fs";
import { area, check } from "../../conformance/lib/harness.ts";
import { hostArch } from "../../src/container/seccomp-source.ts";
import { archInfo } from "../../src/seccomp/arches.ts";
import { type CompiledFilter, compileSeccomp } from "../../src/seccomp/compile.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { syscallNumber } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompAction, SeccompArch } from "../../src/spec/types.ts";
import { buildStatic } from "./build.ts";
import { engineProfile } from "./engine-profiles.ts";

area();

const ARCH = hostArch();
const GO_ARCH = ARCH === "SCMP_ARCH_X86_64" ? "amd64" : "arm64";
/** No system call of the kernel ends with this errno: where it is seen, the filter has decided. */
const MARK = 4000;

interface Attempt {
  readonly arch: SeccompArch;
  readonly nr: number;
  readonly args: readonly bigint[];
  readonly label: string;
}

/** `name arg…`, or a number; what the architecture does not have is left out. */
function attempts(arch: SeccompArch, text: string): readonly Attempt[] {
  return text
    .trim()
    .split("\n")
    .flatMap((line) => line.split(","))
    .flatMap((entry): Attempt[] => {
      const [call = "", ...args] = entry.trim().split(" ");
      const nr = /^\d/.test(call) ? Number(call) : syscallNumber(arch, call);
      return nr === undefined ? [] : [{ arch, nr, args: args.map(BigInt), label: `${arch} ${entry.trim()}` }];
    });
}

// Arguments are such that a call that gets through does nothing. Boundary values are those of Docker's profile:
// personality has five values, clone a mask, socket all but one family.
const CALLS = `
  read 0xffffffff, write 0xffffffff, openat 0xffffff9c 0, close 0xffffffff, fstat 0xffffffff, mmap 0 0, munmap 1 0
  brk 0, ioctl 0xffffffff, sched_yield, dup 0xffffffff, getpid, getppid, uname 0, kill 0x7fffffff 0, fchmod 0xffffffff
  chroot 0, mknodat 0xffffffff 0, setuid 0, setgid 0, capset 0 0, execve 0 0 0, futex 0 99, epoll_pwait 0xffffffff
  mount 0 0 0 0 0, umount2 0 0, reboot 0 0 0 0, swapon 0 0, swapoff 0, kexec_load 0 0xffffffff 0 0, init_module 0 0 0
  delete_module 0 0, finit_module 0xffffffff 0 0, bpf 0xffffffff 0 0, perf_event_open 0 0 0 0xffffffff 0, keyctl 0xffff
  add_key 0 0 0 0 0, request_key 0 0 0 0, unshare 0x10000000, unshare 0x20000, unshare 0, setns 0xffffffff 0
  pivot_root 0 0, open_by_handle_at 0xffffffff 0 0, name_to_handle_at 0xffffffff 0 0 0 0, fanotify_init 0xffffffff 0
  quotactl 0xffffffff 0 0 0, acct 1, settimeofday 1 1, clock_settime 0xffffffff 0, clock_adjtime 0xffffffff 0
  sethostname 0 0xffffffff, setdomainname 0 0xffffffff, iopl 9, ioperm 0xffffffff 1 1, userfaultfd 0xffffffff
  mbind 1 0 0xffff 0 0 0, set_mempolicy 0xffff 0 0, move_pages 0 1 0 0 0 0xffff, syslog 0xffff 0 0xffffffff, kcmp 0 0 99 0 0
  vhangup, process_vm_readv 0 0 0 0 0 9, ptrace 99 0 0 0, fsopen 0 0xffff, fsmount 0xffffffff 0 0, open_tree 0xffffffff 0 0
  move_mount 0xffffffff 0 0xffffffff 0 0, mount_setattr 0xffffffff 0 0 0 0, pidfd_open 0xffffffff 0, io_uring_setup 0 0
  personality 0, personality 1, personality 8, personality 7, personality 9, personality 0x20000, personality 0x20008
  personality 0x20001, personality 0xffffffff, personality 0xfffffffe, personality 0x100000000, personality 0xffffffffffffffff
  clone 0x800, clone 0x80000800, clone 0x20800, clone 0x10000800, clone 0x2000800, clone 0x40000800, clone 0x100000800
  clone 0x810, clone3 0 0
  socket 39 0xff, socket 40 0xff, socket 41 0xff, socket 0x100000028 0xff, socket 0xffffffff 0xff
  390, 400, 600, 2000, 1073741823`;

const I386_CALLS = `
  getpid, read 0xffffffff, open 0 0, mount 0 0 0 0 0, umount2 0 0, reboot 0 0 0 0, swapoff 0, pivot_root 0 0, unshare 0
  personality 0, personality 1, personality 8, personality 0xffffffff, clone 0x800, clone 0x10000800, clone3 0 0
  socketcall 0 0, socketcall 1 0, ipc 0xffff 0, socket 39 0xff, socket 40 0xff, clock_settime64 0xffffffff 0, stime 1
  clock_gettime64 0xffffffff 0, vm86 0, modify_ldt 99 0 0, keyctl 0xffff, 460, 600`;

/** Numbers with the bit of x32, of which the kernel knows none here; the last is what ptrace(2) makes of a call. */
const X32_CALLS = "1073741824, 1073741863, 1073742366";

function expected({ instructions }: CompiledFilter, { arch, nr, args }: Attempt): string {
  const { audit, bits } = archInfo(arch);
  const seen = bits === 32 ? args.map((value) => BigInt.asUintN(32, value)) : args;
  return emulate(instructions, { arch: audit, nr, args: seen }).text;
}

/** What can be seen of a verdict; "passed" for all that the kernel itself answered. */
function seen(line: string, nosys: boolean): string {
  if (line === `errno ${MARK}`) return `ERRNO(${MARK})`;
  if (line === "signal 31") return "SIGSYS";
  if (line === "errno 38" && nosys) return "ERRNO(38)";
  return "passed";
}

function visible(text: string): string {
  if (text === "KILL_THREAD" || text === "KILL_PROCESS" || text === "TRAP") return "SIGSYS";
  return text === "ALLOW" || text === "LOG" ? "passed" : text;
}

type Check = Parameters<Parameters<typeof check>[1]>[0];

async function observe(t: Check, calls: readonly Attempt[], seccomp: Seccomp | undefined): Promise<readonly string[]> {
  const container = t.container((spec, { rootfs }) => {
    copyFileSync(buildStatic("try-calls"), `${rootfs}/bin/try-calls`);
    const words = calls.map(({ arch, nr, args }) =>
      [arch === ARCH || arch === "SCMP_ARCH_X32" ? "native" : "i386", nr, ...args].join(":"),
    );
    spec.process.args = ["/bin/try-calls", ...words];
    if (seccomp !== undefined) spec.linux.seccomp = { ...seccomp };
  });
  const { code, stdout, stderr } = await container.run();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(calls.length);
  return lines;
}

async function compare(t: Check, calls: readonly Attempt[], profile: Seccomp): Promise<Map<string, number>> {
  const marked: Seccomp = { ...profile, defaultErrnoRet: MARK };
  const filter = compileSeccomp(marked, { arch: ARCH });
  const [free, under] = [await observe(t, calls, undefined), await observe(t, calls, marked)];
  const counts = new Map<string, number>();
  const differences = calls.flatMap((call, i) => {
    const verdict = visible(expected(filter, call));
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    // ENOSYS may be the kernel's own answer: then it says nothing about a call that is let through.
    const own = free[i] === "errno 38" && verdict === "passed";
    const found = seen(under[i]!, !own);
    return found === verdict ? [] : [`${call.label}: ${under[i]}, without a filter ${free[i]}, emulated ${verdict}`];
  });
  expect(differences).toEqual([]);
  return counts;
}

check("Docker's default profile: the kernel's verdicts on the machine's own calls are the emulator's", async (t) => {
  const calls = attempts(ARCH, CALLS);
  const counts = await compare(t, calls, engineProfile("docker", ARCH, GO_ARCH));
  expect(calls.length).toBeGreaterThan(100);
  for (const verdict of ["passed", `ERRNO(${MARK})`, "ERRNO(38)"]) expect(counts.get(verdict)).toBeGreaterThan(3);
});

check("Docker's default profile as it is: what is refused gets EPERM, what is newer ENOSYS", async (t) => {
  const profile = engineProfile("docker", ARCH, GO_ARCH);
  const filter = compileSeccomp(profile, { arch: ARCH });
  const calls = attempts(ARCH, CALLS).filter((call) => expected(filter, call) !== "ALLOW");
  const lines = await observe(t, calls, profile);
  expect(lines.map((line) => `ERRNO(${line.split(" ")[1]})`)).toEqual(calls.map((call) => expected(filter, call)));
  expect(calls.length).toBeGreaterThan(40);
});

if (ARCH === "SCMP_ARCH_X86_64") {
  check("Docker's default profile: the verdicts on int $0x80 and on x32 numbers are the emulator's", async (t) => {
    const profile = engineProfile("docker", ARCH, GO_ARCH);
    const [int80] = await observe(t, attempts("SCMP_ARCH_X86", "getpid"), undefined);
    // A kernel without IA32_EMULATION ends who tries.
    const i386 = int80 === "ok" ? attempts("SCMP_ARCH_X86", I386_CALLS) : [];
    const calls = [...i386, ...attempts("SCMP_ARCH_X32", X32_CALLS)];
    await compare(t, calls, profile);
    const native: Seccomp = { ...profile, architectures: [ARCH] };
    const counts = await compare(t, calls, native);
    expect(counts.get("SIGSYS")).toBe(calls.length);
  });
}

const ACTIONS: Readonly<Record<Exclude<SeccompAction, "SCMP_ACT_NOTIFY" | "SCMP_ACT_KILL">, string>> = {
  SCMP_ACT_ALLOW: "ok",
  SCMP_ACT_LOG: "ok",
  SCMP_ACT_ERRNO: "errno 77",
  SCMP_ACT_TRACE: "errno 38", // nobody traces
  SCMP_ACT_TRAP: "signal 31",
  SCMP_ACT_KILL_THREAD: "signal 31",
  SCMP_ACT_KILL_PROCESS: "signal 31",
};

for (const [action, outcome] of Object.entries(ACTIONS)) {
  check(`${action} decides about a call with one value of its argument`, async (t) => {
    const errno = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE" ? 77 : undefined;
    const calls = attempts(ARCH, "sched_yield, getpriority 0 0, getpriority 0 1000000, getpriority 9 0");
    const args = [{ index: 0, op: "SCMP_CMP_EQ", value: 0 }] as const;
    const entry = { names: ["getpriority"], action: action as SeccompAction, args };
    const seccomp: Seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [errno === undefined ? entry : { ...entry, errnoRet: errno }],
    };
    const own = outcome === "ok" ? ["ok", "errno 3"] : [outcome, outcome];
    expect(await observe(t, calls, seccomp)).toEqual(["ok", ...own, "errno 22"]);
  });
}
