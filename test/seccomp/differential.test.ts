/**
 * Our filters against libseccomp's, call by call. What differs, and why:
 *
 * 1. Calls newer than the profile get ENOSYS. libseccomp does not do that, runc puts it in front of libseccomp's
 *    filter: `runcStub` below does the same to libseccomp's verdict.
 * 2. runc does not count the names that socketcall and ipc multiplex when it looks for the newest call of a 32-bit
 *    x86, so that it answers ENOSYS to a `socket` (359) that the profile allows. We count them.
 * 3. On arm, runc counts `cacheflush` (0xf0002), so that no call is newer. We keep the private calls apart.
 * 4. libseccomp merges rules on one 64-bit argument into one tree and thereby loses some: it then returns what no
 *    rule that matches says. We return what the rule says (`LOST_RULE` below is one; 2.5.4 and 2.6.1 have it).
 * 5. Where rules with different actions match one call, we try them in libseccomp's order (src/seccomp/order.ts). Its
 *    tree compares the high halves of all rules on an argument before any low half, so that in a few cases another
 *    rule comes first, or none of a rule that it lost (4); a profile that depends on that is not written on purpose.
 * 6. libseccomp refuses (EEXIST) two rules with the same conditions and different actions, depending on their order.
 *    We take the first.
 *
 * x32 is no difference: a filter for x86_64 only answers numbers with the x32 bit with the bad-architecture action.
 */

import { expect, test } from "bun:test";
import { archInfo } from "../../src/seccomp/arches.ts";
import { decodeInstructions } from "../../src/seccomp/bpf.ts";
import { compileSeccomp, hasEnosysStub } from "../../src/seccomp/compile.ts";
import { describeReturn, RET_ERRNO, returnValue, X32_BIT } from "../../src/seccomp/constants.ts";
import { dataWords, emulate, runFilter } from "../../src/seccomp/emulate.ts";
import { syscallNumber, syscallTable } from "../../src/seccomp/syscalls.ts";
import type { Seccomp, SeccompArch } from "../../src/spec/types.ts";
import { engineProfile } from "./engine-profiles.ts";
import { boundaryArgs, createRandom, makeProfile, type Random } from "./generate.ts";
import { ARCH_TOKENS, type Exported, exportFilters, resolveNames } from "./libseccomp.ts";
import { oracleFor } from "./oracle.ts";

const ENOSYS = RET_ERRNO | 38;
const NUMBERS = 601;
const ARM_PRIVATE = 0xf0000;

interface Count {
  checks: number;
  /** Verdicts of libseccomp that no matching rule has (4). */
  lost: number;
  /** Calls that rules with different actions match, and those where libseccomp prefers another one (5). */
  contested: number;
  otherOrder: number;
}

type Stub = (arch: SeccompArch, nr: number) => boolean;

/** runc's rule: the largest number among the profile's names, as libseccomp resolves them, pseudo numbers not. */
function runcStub(profile: Seccomp, arches: readonly SeccompArch[]): Stub {
  if (!hasEnosysStub(returnValue(profile.defaultAction, profile.defaultErrnoRet))) return () => false;
  const names = (profile.syscalls ?? []).flatMap((entry) => entry.names);
  const largest = new Map(arches.map((arch) => [arch, Math.max(0, ...names.map((name) => resolve(arch, name)))]));
  const own = arches.filter((arch) => largest.get(arch) !== 0);
  return (arch, nr) => {
    if (arch === "SCMP_ARCH_S390" || arch === "SCMP_ARCH_S390X") if (nr === 0) return true;
    if (archInfo(arch).audit !== archInfo("SCMP_ARCH_X86_64").audit)
      return own.includes(arch) && nr > largest.get(arch)!;
    const abi = (nr & X32_BIT) !== 0 ? "SCMP_ARCH_X32" : "SCMP_ARCH_X86_64";
    return own.includes(abi) && nr > largest.get(abi)!;
  };
}

const resolved = new Map<string, number>();

/** libseccomp's number, asked for once, together with those of the whole table. */
function resolve(arch: SeccompArch, name: string): number {
  if (!resolved.has(`${arch} ${name}`)) {
    const names = [name, ...syscallTable(arch).keys(), ...PSEUDO];
    resolveNames(arch, names).forEach((number, i) => {
      resolved.set(`${arch} ${names[i]}`, number);
    });
  }
  return resolved.get(`${arch} ${name}`)!;
}

/** Names in generated profiles that some architectures do not have. */
const PSEUDO = [
  "stat64",
  "arm_fadvise64_64",
  "cacheflush",
  "arch_prctl",
  "recv",
  "socketcall",
  "ipc",
  "open",
  "accept",
];

/** Numbers to try: 0-600 from the architecture's base, and where the ABIs of x86_64 meet. */
function numbersOf(arch: SeccompArch): readonly number[] {
  const { base, table } = archInfo(arch);
  const numbers = Array.from({ length: NUMBERS }, (_, i) => base + i);
  if (table === "arm") numbers.push(...Array.from({ length: 8 }, (_, i) => ARM_PRIVATE + i));
  if (table === "x86_64") {
    for (const edge of [X32_BIT, 0x80000000, 0xc0000000, 0x100000000]) numbers.push(edge - 2, edge - 1);
    numbers.push(0x80000000, 0x80000001, 0xc0000000, 0xc0000001);
  }
  return numbers;
}

function compare(
  profile: Seccomp,
  arches: readonly SeccompArch[],
  theirs: Exported,
  stub: Stub,
  random: Random,
  count: Count,
): void {
  const native = arches[0]!;
  const { bigEndian } = archInfo(native);
  const ours = decodeInstructions(
    compileSeccomp({ ...profile, architectures: arches, listenerPath: "/agent" }, { arch: native, neededCalls: [] })
      .instructions,
    bigEndian,
  );
  const other = theirs.status === 0 ? decodeInstructions(theirs.filter, bigEndian) : undefined;
  for (const arch of arches) {
    for (const nr of numbersOf(arch)) {
      const oracle = oracleFor(profile, arch, nr);
      const conditions = oracle.rules.flatMap(({ args }) => args);
      const isNew = isNewer(stub, profile, arch, nr);
      for (const args of conditions.length === 0 ? [[]] : boundaryArgs(conditions, random, 20)) {
        const words = dataWords({ arch: archInfo(arch).audit, nr, args }, bigEndian);
        const verdict = runFilter(ours, words).ret;
        const allowed = oracle.allowed(args);
        count.checks++;
        const isX32Edge = archInfo(arch).table === "x86_64" && nr >= X32_BIT;
        if (!isNew && !isX32Edge && !allowed.has(verdict)) fail(profile, arch, nr, args, verdict, allowed);
        if (other === undefined) continue;
        const expected = isNew ? ENOSYS : runFilter(other, words).ret;
        if (allowed.size > 1) count.contested++;
        if (verdict === expected) continue;
        if (isNew || isX32Edge) fail(profile, arch, nr, args, verdict, new Set([expected]));
        if (allowed.has(expected)) count.otherOrder++;
        else count.lost++;
      }
    }
  }
}

/** runc's stub, but for the differences 2 and 3. */
function isNewer(stub: Stub, profile: Seccomp, arch: SeccompArch, nr: number): boolean {
  const { table, multiplexed } = archInfo(arch);
  if (table !== "arm" && (!stub(arch, nr) || !multiplexed || nr === 0)) return stub(arch, nr);
  const numbers = (profile.syscalls ?? [])
    .flatMap((entry) => entry.names)
    .map((name) => syscallNumber(arch, name) ?? 0);
  if (table !== "arm") return nr > Math.max(...numbers);
  if (!hasEnosysStub(returnValue(profile.defaultAction, profile.defaultErrnoRet))) return false;
  const common = Math.max(...numbers.filter((number) => number < ARM_PRIVATE));
  return nr > common && (nr < ARM_PRIVATE || nr > Math.max(...numbers));
}

function fail(
  profile: Seccomp,
  arch: SeccompArch,
  nr: number,
  args: readonly bigint[],
  got: number,
  wanted: ReadonlySet<number>,
): never {
  const show = (_: string, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  throw new Error(
    `${arch} ${nr} (${args.map((arg) => `0x${arg.toString(16)}`)}): ${describeReturn(got)}, expected ` +
      `${[...wanted].map(describeReturn).join(" or ")} in ${profile.defaultAction} ${JSON.stringify(oracleFor(profile, arch, nr).rules, show)}`,
  );
}

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
    const count: Count = { checks: 0, lost: 0, contested: 0, otherOrder: 0 };
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
      const count: Count = { checks: 0, lost: 0, contested: 0, otherOrder: 0 };
      compare(profile, arches, theirs!, runcStub(profile, arches), random, count);
      expect(theirs!.status).toBe(0);
      expect(count.checks).toBeGreaterThan(arches.length * NUMBERS);
      expect(count).toMatchObject({ lost: 0, otherOrder: 0 });
    }
  }, 60_000);
}

/** libseccomp 2.5.4 knows the calls up to Linux 5.17; a profile may know newer ones. */
function onlyKnown(profile: Seccomp, arch: SeccompArch): Seccomp {
  const known = (profile.syscalls ?? []).map((entry) => {
    return {
      ...entry,
      names: entry.names.filter((name) => syscallNumber(arch, name) === undefined || resolve(arch, name) !== -1),
    };
  });
  return { ...profile, syscalls: known.filter(({ names }) => names.length > 0) };
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
  const count: Count = { checks: 0, lost: 0, contested: 0, otherOrder: 0 };
  profiles.forEach((profile, i) => {
    compare(profile, arches, theirs[i]!, runcStub(profile, arches), createRandom(i), count);
  });
  expect(theirs.every(({ status }) => status === 0)).toBe(true);
  expect(count).toMatchObject({ lost: 0, otherOrder: 0 });
});

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
  expect(verdictOf(LOST_RULE, "SCMP_ARCH_X86_64", "SCMP_ARCH_X86_64", 135, [0n, 1n])).toBe("ALLOW");
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
