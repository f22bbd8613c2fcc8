/**
 * Our filters against libseccomp's, call by call. What differs, and why:
 *
 * 1. Calls newer than the profile get ENOSYS. libseccomp does not do that, runc puts it in front of libseccomp's
 *    filter: `runcStub` (compare.ts) does the same to libseccomp's verdict.
 * 2. runc does not count the names that socketcall and ipc multiplex when it looks for the newest call of a 32-bit
 *    x86, so that it answers ENOSYS to a `socket` (359) that the profile allows. We count them.
 * 3. On arm, runc counts `cacheflush` (0xf0002), so that no call is newer. We keep the private calls apart.
 * 4. libseccomp merges rules on one 64-bit argument into one tree and thereby loses some: it then returns what no
 *    rule that matches says. We return what the rule says (differences.test.ts has one; libseccomp 2.5.4 and 2.6.1 do).
 * 5. Where rules with different actions match one call, we try them in libseccomp's order (src/seccomp/order.ts). Its
 *    tree compares the high halves of all rules on an argument before any low half, so that in a few cases another
 *    rule comes first, or none of a rule that it lost (4); a profile that depends on that is not written on purpose.
 * 6. libseccomp refuses (EEXIST) two rules with the same conditions and different actions, depending on their order.
 *    We take the first.
 *
 * x32 is no difference: a filter for x86_64 only answers numbers with the x32 bit with the bad-architecture action.
 */

import { expect, test } from "bun:test";
import { syscallNumber, syscallTable } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompArch } from "../../src/spec/types.ts";
import { compare, NUMBERS, newCount, onlyKnown, runcStub } from "./compare.ts";
import { engineProfile } from "./engine-profiles.ts";
import { createRandom, makeLongList, makeProfile } from "./generate.ts";
import { ARCH_TOKENS, exportFilters, resolveNames } from "./libseccomp.ts";

const GROUPS: readonly { readonly arches: readonly SeccompArch[]; readonly profiles: number }[] = [
  { arches: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], profiles: 700 },
  { arches: ["SCMP_ARCH_X86_64"], profiles: 300 },
  { arches: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"], profiles: 300 },
  { arches: ["SCMP_ARCH_RISCV64"], profiles: 150 },
  { arches: ["SCMP_ARCH_PPC64LE"], profiles: 100 },
  { arches: ["SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"], profiles: 100 },
  // libseccomp does not get the byte order right everywhere when it makes a large filter for the other one.
  { arches: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"], profiles: 150 },
  { arches: ["SCMP_ARCH_PPC64", "SCMP_ARCH_PPC"], profiles: 100 },
  { arches: ["SCMP_ARCH_MIPS64"], profiles: 50 },
  { arches: ["SCMP_ARCH_MIPS"], profiles: 50 },
];

for (const [index, { arches, profiles }] of GROUPS.entries()) {
  test(`${profiles} generated profiles for ${arches.join(" ")} get libseccomp's verdicts`, () => {
    const random = createRandom(1000 + index);
    const made = Array.from({ length: profiles }, (_, i) => {
      return makeProfile(random, { oneAction: i % 2 === 0, wide: i % 3 !== 0 });
    });
    const optimize = index % 2 === 0 ? 1 : 2;
    const theirs = exportFilters(made, arches, optimize);
    const count = newCount();
    made.forEach((profile, i) => {
      compare(profile, arches, theirs[i]!, runcStub(profile, arches), random, count);
    });
    // Refused ones (6) are few, and so are verdicts that are nobody's (4) or come from another rule (5).
    expect(theirs.filter(({ status }) => status === 0).length).toBeGreaterThan(profiles * 0.6);
    expect(theirs.filter(({ status }) => status !== 0).every(({ status }) => status === -17)).toBe(true);
    expect(count.checks).toBeGreaterThan(profiles * NUMBERS);
    expect(count.lost / count.checks).toBeLessThan(0.002);
    expect(count.contested).toBeGreaterThan(profiles);
    expect(count.otherOrder / count.contested).toBeLessThan(0.02);
  }, 60_000);
}

test("lists of more than six conditions get libseccomp's verdicts, asked for each condition as runc asks", () => {
  const random = createRandom(7);
  const arches: readonly SeccompArch[] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
  const profiles = Array.from({ length: 150 }, (_, i) => makeLongList(random, 2 + (i % 30)));
  const theirs = exportFilters(profiles, arches);
  const count = newCount();
  profiles.forEach((profile, i) => {
    compare(profile, arches, theirs[i]!, runcStub(profile, arches), random, count);
  });
  expect(theirs.filter(({ status }) => status !== 0)).toEqual([]);
  expect(count.lost / count.checks).toBeLessThan(0.002);
  expect(count.otherOrder).toBe(0);
}, 60_000);

const ENGINES = [
  { engine: "docker", arch: "SCMP_ARCH_X86_64", goArch: "amd64" },
  { engine: "podman", arch: "SCMP_ARCH_X86_64", goArch: "amd64" },
  { engine: "docker", arch: "SCMP_ARCH_AARCH64", goArch: "arm64" },
  { engine: "podman", arch: "SCMP_ARCH_PPC64LE", goArch: "ppc64le" },
] as const;

for (const { engine, arch, goArch } of ENGINES) {
  test(`the default profile of ${engine} for ${goArch} gets libseccomp's verdicts`, () => {
    const profile = onlyKnown(engineProfile(engine, arch, goArch), arch);
    const arches = [...new Set([arch, ...(profile.architectures ?? [])])];
    const random = createRandom(1);
    for (const optimize of [1, 2]) {
      const [theirs] = exportFilters([profile], arches, optimize);
      const count = newCount();
      compare(profile, arches, theirs!, runcStub(profile, arches), random, count);
      expect(theirs!.status).toBe(0);
      expect(count.checks).toBeGreaterThan(arches.length * NUMBERS);
      expect(count).toMatchObject({ lost: 0, otherOrder: 0 });
    }
  }, 60_000);
}

test("all operators, at the borders of both halves, get libseccomp's verdicts", () => {
  const ops = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const;
  const values = [
    0n,
    1n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    0x100000000n,
    0x123456789abcdef0n,
    0xffffffffffffffffn,
  ];
  const arches: readonly SeccompArch[] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
  const profiles = ops.flatMap((op) =>
    values.flatMap((value) =>
      (op === "MASKED_EQ" ? values : [0n]).map((valueTwo): Seccomp => {
        const args = [{ index: 3, op: `SCMP_CMP_${op}` as const, value, valueTwo }];
        return {
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [
            { names: ["uname"], action: "SCMP_ACT_ALLOW" },
            { names: ["ioctl"], action: "SCMP_ACT_ALLOW", args },
          ],
        };
      }),
    ),
  );
  const theirs = exportFilters(profiles, arches);
  const count = newCount();
  profiles.forEach((profile, i) => {
    compare(profile, arches, theirs[i]!, runcStub(profile, arches), createRandom(i), count);
  });
  expect(theirs.every(({ status }) => status === 0)).toBe(true);
  expect(count).toMatchObject({ lost: 0, otherOrder: 0 });
}, 60_000);

test("system call numbers are libseccomp's, but for calls that it does not know yet", () => {
  for (const arch of Object.keys(ARCH_TOKENS) as SeccompArch[]) {
    const names = [...syscallTable(arch).keys()];
    const theirs = resolveNames(arch, names);
    const wrong = names.filter((name, i) => theirs[i]! >= 0 && theirs[i] !== syscallNumber(arch, name));
    // Negative numbers: -1 for a name that it does not know, the others where it multiplexes.
    expect({ arch, wrong }).toEqual({ arch, wrong: [] });
    expect(theirs.filter((number) => number >= 0).length).toBeGreaterThan(280);
  }
});
