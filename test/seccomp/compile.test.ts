import { expect, test } from "bun:test";
import { TsruncError } from "../../src/errors.ts";
import { archInfo } from "../../src/seccomp/arches.ts";
import { decodeInstructions } from "../../src/seccomp/bpf.ts";
import { type CompileOptions, compileSeccomp, unknownSyscalls } from "../../src/seccomp/compile.ts";
import { disassemble } from "../../src/seccomp/disassemble.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { syscallNumber, syscallTable } from "../../src/seccomp/syscalls.ts";
import { flagsOfKernel } from "../../src/seccomp/validate.ts";
import type { Seccomp, SeccompArch, SeccompArg, SeccompSyscall } from "../../src/spec/types.ts";
import { createRandom } from "./generate.ts";
import { oracleFor } from "./oracle.ts";

const X64: CompileOptions = { arch: "SCMP_ARCH_X86_64" };

function listing(profile: Seccomp, options = X64): readonly string[] {
  return disassemble(compileSeccomp(profile, options).instructions).map((line) => line.trim());
}

function verdict(profile: Seccomp, name: string, args: readonly bigint[] = [], arch: SeccompArch = X64.arch): string {
  const { instructions } = compileSeccomp(profile, X64);
  return emulate(instructions, { arch: archInfo(arch).audit, nr: syscallNumber(arch, name)!, args }).text;
}

function allow(names: readonly string[], args: readonly SeccompArg[] = []): SeccompSyscall {
  return { names, action: "SCMP_ACT_ALLOW", args };
}

test("a filter without rules is its default action and the architecture check", () => {
  expect(listing({ defaultAction: "SCMP_ACT_LOG" })).toEqual([
    "0: A = arch",
    "1: if arch == 0xc000003e (SCMP_ARCH_X86_64, SCMP_ARCH_X32) then 2 else 6",
    "2: A = nr",
    "3: if nr >= 0xffffffff then 5 else 4",
    "4: if nr >= 0x40000000 (read) then 6 else 5",
    "5: return LOG",
    "6: return KILL_THREAD",
  ]);
});

test("one call on aarch64", () => {
  const profile: Seccomp = { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls: [allow(["getpid"])] };
  expect(listing(profile, { arch: "SCMP_ARCH_AARCH64" })).toEqual([
    "0: A = arch",
    "1: if arch == 0xc00000b7 (SCMP_ARCH_AARCH64) then 2 else 8",
    "2: A = nr",
    "3: if nr >= 0xad (getppid) then 7 else 4",
    "4: if nr >= 0xac (getpid) then 6 else 5",
    "5: return KILL_PROCESS",
    "6: return ALLOW",
    "7: return ERRNO(38)",
    "8: return KILL_THREAD",
  ]);
});

test("values of one argument share the loads and the high half", () => {
  const rules = [0, 8, 0x20000].map((value) => allow(["personality"], [{ index: 0, op: "SCMP_CMP_EQ", value }]));
  const lines = listing({ defaultAction: "SCMP_ACT_TRACE", syscalls: rules }, { arch: "SCMP_ARCH_RISCV64" });
  expect(lines.slice(3)).toEqual([
    "3: if nr == 0x5c (personality) then 4 else 10",
    "4: A = args[0].high",
    "5: if args[0].high == 0x0 then 6 else 10",
    "6: A = args[0].low",
    "7: if args[0].low == 0x20000 then 11 else 8",
    "8: if args[0].low == 0x8 then 11 else 9",
    "9: if args[0].low == 0x0 then 11 else 10",
    "10: return TRACE(1)",
    "11: return ALLOW",
    "12: return KILL_THREAD",
  ]);
});

test("one bit under a mask takes one comparison, and an empty half none", () => {
  const arg: SeccompArg = { index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0x7e020000, valueTwo: 0 };
  const lines = listing({ defaultAction: "SCMP_ACT_TRACE", syscalls: [allow(["clone"], [arg])] });
  expect(lines.filter((line) => line.includes("args"))).toEqual([
    expect.stringContaining("A = args[0].low"),
    expect.stringContaining("if args[0].low & 0x7e020000"),
  ]);
});

test("conditions of one entry are AND, entries of one name OR", () => {
  const both: SeccompArg[] = [
    { index: 0, op: "SCMP_CMP_EQ", value: 1 },
    { index: 1, op: "SCMP_CMP_GE", value: 2n ** 63n },
  ];
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [allow(["ioctl"], both), allow(["ioctl"], [{ index: 2, op: "SCMP_CMP_LT", value: 3 }])],
  };
  expect(verdict(profile, "ioctl", [1n, 2n ** 63n, 3n])).toBe("ALLOW");
  expect(verdict(profile, "ioctl", [1n, 2n ** 63n - 1n, 3n])).toBe("ERRNO(1)");
  expect(verdict(profile, "ioctl", [0n, 0n, 2n])).toBe("ALLOW");
  expect(verdict(profile, "ioctl", [0n, 0n, 2n ** 32n])).toBe("ERRNO(1)");
});

test("conditions on one argument within an entry are OR, as in runc", () => {
  const args: SeccompArg[] = [1, 5].map((value) => ({ index: 0, op: "SCMP_CMP_EQ", value }));
  const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [allow(["socket"], args)] };
  expect([1n, 5n, 2n].map((value) => verdict(profile, "socket", [value]))).toEqual(["ALLOW", "ALLOW", "ERRNO(1)"]);
});

test("an unconditional entry beats those with conditions, the first one beats later ones", () => {
  const args: SeccompArg[] = [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }];
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      { names: ["clone"], action: "SCMP_ACT_TRAP", args },
      { names: ["clone"], action: "SCMP_ACT_LOG" },
      allow(["clone"]),
    ],
  };
  expect(verdict(profile, "clone", [1n])).toBe("LOG");
});

test("an entry with the default action does not override another one, but makes its names known", () => {
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      allow(["clone"], [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }]),
      { names: ["clone", "clone3"], action: "SCMP_ACT_ERRNO" },
    ],
  };
  expect(verdict(profile, "clone", [1n])).toBe("ALLOW");
  expect(verdict(profile, "openat")).toBe("ERRNO(1)");
  expect(verdict(profile, "clone3")).toBe("ERRNO(1)");
  expect(verdict(profile, "close_range")).toBe("ERRNO(38)");
});

test("calls newer than the profile get ENOSYS only where the default denies", () => {
  const newer = (defaultAction: Seccomp["defaultAction"]) => {
    return verdict({ defaultAction, syscalls: [{ names: ["open"], action: "SCMP_ACT_TRAP" }] }, "openat2");
  };
  expect(newer("SCMP_ACT_ERRNO")).toBe("ERRNO(38)");
  expect(newer("SCMP_ACT_KILL")).toBe("ERRNO(38)");
  expect(newer("SCMP_ACT_ALLOW")).toBe("ALLOW");
  expect(newer("SCMP_ACT_LOG")).toBe("LOG");
  expect(newer("SCMP_ACT_TRACE")).toBe("TRACE(1)");
});

test("a number of x32 is a bad architecture unless the profile has x32", () => {
  const syscalls = [allow(["read", "openat"])];
  const one: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls };
  expect(verdict(one, "read", [], "SCMP_ARCH_X32")).toBe("KILL_THREAD");
  expect(verdict({ ...one, architectures: ["SCMP_ARCH_X32"] }, "read", [], "SCMP_ARCH_X32")).toBe("ALLOW");
});

test("sockets of 32-bit x86 are allowed through socketcall as well", () => {
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86"],
    syscalls: [allow(["connect", "shmget"])],
  };
  expect(verdict(profile, "connect", [], "SCMP_ARCH_X86")).toBe("ALLOW");
  expect(verdict(profile, "socketcall", [3n], "SCMP_ARCH_X86")).toBe("ALLOW");
  expect(verdict(profile, "socketcall", [2n], "SCMP_ARCH_X86")).toBe("ERRNO(1)");
  expect(verdict(profile, "ipc", [23n], "SCMP_ARCH_X86")).toBe("ALLOW");
});

test("the same profile gives the same bytes, and the byte order is the machine's", () => {
  const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [allow(["read", "write", "clone3"])] };
  expect(compileSeccomp(profile, X64)).toEqual(compileSeccomp(structuredClone(profile), X64));
  const little = compileSeccomp(profile, { arch: "SCMP_ARCH_PPC64LE" }).instructions;
  const big = compileSeccomp(profile, { arch: "SCMP_ARCH_PPC64" }).instructions;
  expect([...little.subarray(0, 8)]).toEqual([0x20, 0, 0, 0, 4, 0, 0, 0]);
  expect([...big.subarray(0, 8)]).toEqual([0, 0x20, 0, 0, 0, 0, 0, 4]);
});

test("jumps of more than 255 instructions are bridged", () => {
  const random = createRandom(5);
  const names = [...syscallTable("SCMP_ARCH_X86_64").keys()].slice(0, 330);
  const arches: SeccompArch[] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"];
  const syscalls = names.map((name): SeccompSyscall => {
    return allow([name], [{ index: random(6), op: "SCMP_CMP_GT", value: BigInt(random(1000)) << BigInt(random(40)) }]);
  });
  const profile: Seccomp = { defaultAction: "SCMP_ACT_TRACE", architectures: arches, syscalls };
  const filter = compileSeccomp(profile, X64);
  expect(filter.length).toBeGreaterThan(2000);
  for (const { code, jt, jf } of decodeInstructions(filter.instructions)) {
    expect(code === 0x05 || (jt <= 255 && jf <= 255)).toBe(true);
  }
  for (const arch of arches) {
    for (let nr = 0; nr < 480; nr++) {
      const oracle = oracleFor(profile, arch, nr);
      for (const value of [0n, 1000n << 41n]) {
        const args = Array.from({ length: 6 }, () => value);
        const { ret } = emulate(filter.instructions, { arch: archInfo(arch).audit, nr, args });
        expect(oracle.allowed(args).has(ret)).toBe(true);
      }
    }
  }
});

test("a filter of more than 4096 instructions is refused before it is built", () => {
  const many = (count: number): Seccomp => ({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: Array.from({ length: count }, (_, i) =>
      allow(["ioctl"], [{ index: 1, op: "SCMP_CMP_EQ", value: i * 2 }]),
    ),
  });
  expect(compileSeccomp(many(3900), X64).length).toBeLessThan(4096);
  for (const count of [4090, 5000, 200_000]) {
    expect(() => compileSeccomp(many(count), X64)).toThrow(
      /^seccomp profile is too large: (its filter does not fit|\d+ rules on arguments), the kernel takes 4096 instructions$/,
    );
  }
});

test("a list of conditions for many calls is there once, also where names are repeated", () => {
  const names = [...syscallTable(X64.arch).keys()].slice(0, 200);
  const args = Array.from({ length: 100 }, (_, i): SeccompArg => ({ index: 1, op: "SCMP_CMP_EQ", value: i }));
  const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [allow([...names, ...names, ...names], args)] };
  expect(compileSeccomp(profile, X64).length).toBeLessThan(400);
  expect(verdict(profile, names[150]!, [0n, 99n])).toBe("ALLOW");
  expect(verdict(profile, names[150]!, [0n, 100n])).toBe("ERRNO(1)");
});

test("two lists of conditions for many calls are counted, not multiplied out", () => {
  const names = [...syscallTable(X64.arch).keys()];
  const args = Array.from({ length: 50_000 }, (_, i): SeccompArg => ({ index: i % 6, op: "SCMP_CMP_EQ", value: i }));
  const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [allow(names, args), allow(names, args)] };
  expect(() => compileSeccomp(profile, X64)).toThrow(
    `seccomp profile is too large: ${names.length * 100_000} rules on arguments, the kernel takes 4096 instructions`,
  );
});

test("many rules of any kind do not exhaust the stack, and decide rightly", () => {
  const make = (count: number, op: SeccompArg["op"]) =>
    Array.from({ length: count }, (_, i) => {
      const value = (BigInt(i + 1) << 33n) | 3n;
      const second: SeccompArg = { index: 5, op: "SCMP_CMP_EQ", value: i };
      return allow(["ioctl"], [{ index: i % 3, op, value, valueTwo: value }, second]);
    });
  for (const op of ["SCMP_CMP_NE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_MASKED_EQ"] as const) {
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: make(400, op) };
    const { instructions } = compileSeccomp(profile, X64);
    const oracle = oracleFor(profile, X64.arch, 16);
    for (let i = 0; i < 410; i++) {
      const args = [BigInt(i) << 33n, 2n ** 40n, 5n, 0n, 0n, BigInt(i)];
      const { ret } = emulate(instructions, { arch: archInfo(X64.arch).audit, nr: 16, args });
      expect(oracle.allowed(args).has(ret)).toBe(true);
    }
    const tooMany: Seccomp = { ...profile, syscalls: make(4000, op) };
    expect(() => compileSeccomp(tooMany, X64)).toThrow("seccomp profile is too large");
  }
});

test("flags: SPEC_ALLOW if the profile has no list, what it lists, and a listener for NOTIFY", () => {
  const flags = (more: Partial<Seccomp>, options = X64) =>
    compileSeccomp({ defaultAction: "SCMP_ACT_LOG", ...more }, options).flags;
  const notify: Partial<Seccomp> = {
    listenerPath: "/agent",
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
  };
  expect(flags({})).toBe(4);
  expect(flags({}, { ...X64, kernel: { flags: 3 } })).toBe(0);
  expect(flags({ flags: [] })).toBe(0);
  expect(flags({ flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"] })).toBe(3);
  expect(flags({ ...notify, flags: [] })).toBe(8);
  expect(flags({ ...notify, flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] })).toBe(40);
  expect(flags({ ...notify, flags: ["SECCOMP_FILTER_FLAG_TSYNC"] })).toBe(25);
  expect(compileSeccomp({ defaultAction: "SCMP_ACT_LOG", ...notify }, X64).listener).toBe(true);
});

test("what the kernel lacks is `unsupported`", () => {
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_LOG",
    flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    listenerPath: "/agent",
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
  };
  const kernel = {
    actions: ["kill_process", "kill_thread", "trap", "errno", "trace", "log", "allow"],
    flags: flagsOfKernel("5.10.0-8-amd64"),
  };
  let error: unknown;
  try {
    compileSeccomp(profile, { ...X64, kernel });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TsruncError);
  expect(error).toMatchObject({
    code: "unsupported",
    problems: [
      { at: "/linux/seccomp/syscalls/0/action", message: "this kernel has no action `SCMP_ACT_NOTIFY`" },
      { at: "/linux/seccomp/flags/0", message: "this kernel has no flag `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`" },
    ],
  });
  expect(flagsOfKernel("6.1.0")).toBe(39);
});

test("names that nobody knows are skipped and can be told", () => {
  const profile: Seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [allow(["read", "frobnicate", "cacheflush", "toString"])],
  };
  expect(verdict(profile, "read")).toBe("ALLOW");
  expect(unknownSyscalls(profile)).toEqual(["frobnicate", "toString"]);
});
