/** The differences from libseccomp and runc that differential.test.ts lists, one by one, and what they gain. */

import { expect, test } from "bun:test";
import { archInfo } from "../../src/seccomp/arches.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { syscallNumber } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompArch } from "../../src/spec/types.ts";
import { ARM_PRIVATE, onlyKnown, runcStub } from "./compare.ts";
import { engineProfile } from "./engine-profiles.ts";
import { exportFilters } from "./libseccomp.ts";

const DENY: Pick<Seccomp, "defaultAction"> = { defaultAction: "SCMP_ACT_ERRNO" };

function verdictOf(
  profile: Seccomp,
  native: SeccompArch,
  arch: SeccompArch,
  nr: number,
  args: readonly bigint[] = [],
): string {
  const { instructions } = compileSeccomp(profile, { arch: native });
  return emulate(instructions, { arch: archInfo(arch).audit, nr, args }, archInfo(native).bigEndian).text;
}

test("difference 2: a socket call that the profile names is never too new", () => {
  const profile: Seccomp = {
    ...DENY,
    architectures: ["SCMP_ARCH_X86"],
    syscalls: [{ names: ["uname", "socket"], action: "SCMP_ACT_ALLOW" }],
  };
  expect(runcStub(profile, ["SCMP_ARCH_X86"])("SCMP_ARCH_X86", 359)).toBe(true);
  expect(verdictOf(profile, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", 359)).toBe("ALLOW");
  expect(verdictOf(profile, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", 360)).toBe("ERRNO(38)");
});

test("difference 3: cacheflush does not make all calls of arm old", () => {
  const profile: Seccomp = {
    ...DENY,
    architectures: ["SCMP_ARCH_ARM"],
    syscalls: [{ names: ["openat2", "cacheflush"], action: "SCMP_ACT_ALLOW" }],
  };
  const verdict = (nr: number) => verdictOf(profile, "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", nr);
  expect([436, 437, 438, ARM_PRIVATE - 1].map(verdict)).toEqual(["ERRNO(1)", "ALLOW", "ERRNO(38)", "ERRNO(38)"]);
  expect([1, 2, 3].map((nr) => verdict(ARM_PRIVATE + nr))).toEqual(["ERRNO(1)", "ALLOW", "ERRNO(38)"]);
});

/** Found by the generated profiles. */
const LOST_RULE: Seccomp = {
  defaultAction: "SCMP_ACT_TRAP",
  syscalls: [
    { names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, op: "SCMP_CMP_LE", value: 8 }] },
    {
      names: ["personality"],
      action: "SCMP_ACT_ALLOW",
      args: [
        { index: 1, op: "SCMP_CMP_GT", value: 0x80000000 },
        { index: 0, op: "SCMP_CMP_LE", value: 0 },
      ],
    },
  ],
};

test("difference 4: a rule holds whatever other rules there are", () => {
  expect(verdictOf(LOST_RULE, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86_64", 135, [0n, 0x80000000n])).toBe("ALLOW");
  const [theirs] = exportFilters([LOST_RULE], ["SCMP_ARCH_X86_64"]);
  const call = { arch: archInfo("SCMP_ARCH_X86_64").audit, nr: 135, args: [0n, 0x80000000n] };
  // Should a later libseccomp say ALLOW, the difference is gone and can leave the list.
  expect(emulate(theirs!.filter, call).text).toBe("TRAP");
});

test("difference 6: of two rules with the same conditions the first counts", () => {
  const args = [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }] as const;
  const profile: Seccomp = {
    ...DENY,
    syscalls: [
      { names: ["read", "uname"], action: "SCMP_ACT_ALLOW", args },
      { names: ["read", "uname"], action: "SCMP_ACT_LOG", args },
    ],
  };
  expect(exportFilters([profile], ["SCMP_ARCH_X86_64"])[0]!.status).toBe(-17);
  expect(verdictOf(profile, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86_64", 0, [1n])).toBe("ALLOW");
});

test("common calls take at most a third of the instructions that libseccomp's filter executes", () => {
  for (const engine of ["docker", "podman"] as const) {
    const profile = onlyKnown(engineProfile(engine, "SCMP_ARCH_X86_64", "amd64"), "SCMP_ARCH_X86_64");
    const [theirs] = exportFilters([profile], profile.architectures!);
    const ours = compileSeccomp(profile, { arch: "SCMP_ARCH_X86_64" });
    let [sumOurs, sumTheirs] = [0, 0];
    for (const name of ["read", "write", "openat", "futex", "epoll_wait", "clock_gettime"]) {
      const call = { arch: archInfo("SCMP_ARCH_X86_64").audit, nr: syscallNumber("SCMP_ARCH_X86_64", name)! };
      sumOurs += emulate(ours.instructions, call).steps;
      sumTheirs += emulate(theirs!.filter, call).steps;
    }
    expect(sumOurs).toBeLessThan(sumTheirs / 3);
    expect(ours.length).toBeLessThan(theirs!.filter.length / 8);
  }
});
