import { expect, test } from "bun:test";
import { allArches, archInfo, nativeArch } from "../../src/seccomp/arches.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { syscallNumber } from "../../src/seccomp/syscalls.ts";
import type { Seccomp } from "../../src/spec/types.ts";

test("every architecture has a table, compiles alone, and is known by its number", () => {
  for (const arch of allArches()) {
    const profile: Seccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["openat", "execve"], action: "SCMP_ACT_ALLOW" }],
    };
    const { audit, bigEndian } = archInfo(arch);
    const { instructions } = compileSeccomp(profile, { arch });
    const call = { arch: audit, nr: syscallNumber(arch, "openat")! };
    expect({ arch, text: emulate(instructions, call, bigEndian).text }).toEqual({ arch, text: "ALLOW" });
  }
  expect(allArches().length).toBe(23);
  expect(nativeArch("x64", "LE")).toBe("SCMP_ARCH_X86_64");
  expect(nativeArch("ppc64", "LE")).toBe("SCMP_ARCH_PPC64LE");
  expect(nativeArch("pdp11", "LE")).toBeUndefined();
});

test("new and arch-private calls are in the tables", () => {
  expect(syscallNumber("SCMP_ARCH_X86_64", "futex_waitv")).toBe(449);
  expect(syscallNumber("SCMP_ARCH_AARCH64", "mseal")).toBe(462);
  expect(syscallNumber("SCMP_ARCH_RISCV64", "riscv_hwprobe")).toBe(258);
  expect(syscallNumber("SCMP_ARCH_ARM", "set_tls")).toBe(0xf0005);
  expect(syscallNumber("SCMP_ARCH_S390", "file_setattr")).toBe(469);
  expect(syscallNumber("SCMP_ARCH_X32", "writev")).toBe(0x40000204);
  expect(syscallNumber("SCMP_ARCH_MIPSEL64", "read")).toBe(5000);
  expect(syscallNumber("SCMP_ARCH_X86_64", "constructor")).toBeUndefined();
});
