/** Whether a filter permits the calls of tsrunc-init: on every architecture that an executable is built for. */
import { expect, test } from "bun:test";
import { callsOf } from "../../src/program/own-calls.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { forbids, permits } from "../../src/seccomp/outcomes.ts";
import type { Seccomp, SeccompArch } from "../../src/spec/types.ts";

const ARCHITECTURES: readonly SeccompArch[] = [
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_S390X",
];
/** CLONE_NEW* of include/uapi/linux/sched.h, as the profiles of engines mask them. */
const NAMESPACES = 0x7e020000;
const CLONE_PARENT = 0x8000;
const FORK = callsOf([{ op: "fork", stays: false }]) ?? [];

/** Allows clone only where none of these bits is in the argument, and every other call. */
function withoutFlags(index: number, bits: number): Seccomp {
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [
      {
        names: ["clone"],
        action: "SCMP_ACT_ERRNO",
        args: [{ index, value: bits, valueTwo: bits, op: "SCMP_CMP_MASKED_EQ" }],
      },
    ],
  };
}

/** As in the profiles of engines: what is not allowed fails, and clone is allowed where it makes no namespace. */
function engine(index: number): Seccomp {
  const args = [{ index, value: NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" as const }];
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      { names: FORK.flatMap(({ names }) => names).filter((name) => name !== "clone"), action: "SCMP_ACT_ALLOW" },
      { names: ["clone"], action: "SCMP_ACT_ALLOW", args },
    ],
  };
}

for (const arch of ARCHITECTURES) {
  const [flags, stack] = arch === "SCMP_ARCH_S390X" ? [1, 0] : [0, 1];
  const compile = (profile: Seccomp) => compileSeccomp(profile, { arch });

  test(`${arch}: the fork is permitted by the profile that engines have for this architecture`, () => {
    expect(FORK.map(({ names }) => names.join("|"))).toContain("clone");
    expect(permits(compile(engine(flags)), FORK)).toBe(true);
  });

  test(`${arch}: the fork's flags are where its clone(2) takes them, and its stack is none`, () => {
    expect(permits(compile(withoutFlags(flags, CLONE_PARENT)), FORK)).toBe(false);
    expect(permits(compile(withoutFlags(flags, NAMESPACES)), FORK)).toBe(true);
    expect(permits(compile(withoutFlags(stack, CLONE_PARENT)), FORK)).toBe(true);
    const calls = FORK.filter(({ names }) => names.includes("clone"));
    expect(calls.map((call) => forbids(compile(withoutFlags(flags, CLONE_PARENT)), call))).toEqual(
      calls.map(() => true),
    );
  });
}
