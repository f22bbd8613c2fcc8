import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archInfo } from "../../src/seccomp/arches.ts";
import { encodeInstructions } from "../../src/seccomp/bpf.ts";
import { cacheKey, cacheName, compileSeccompCached } from "../../src/seccomp/cache.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { disassemble } from "../../src/seccomp/disassemble.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { explain } from "../../src/seccomp/explain.ts";
import { disasmReport, explainReport, statsReport } from "../../src/seccomp/report.ts";
import { syscallTable } from "../../src/seccomp/syscalls.ts";
import type { Seccomp } from "../../src/spec/types.ts";
import { boundaryArgs, createRandom, makeLongList, makeProfile } from "./generate.ts";
import { oracleFor } from "./oracle.ts";

const ARCH = "SCMP_ARCH_X86_64";
const PROFILE: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  architectures: ["SCMP_ARCH_X86"],
  syscalls: [
    { names: ["read", "openat", "socket"], action: "SCMP_ACT_ALLOW" },
    {
      names: ["clone"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0x7e020000, valueTwo: 0 }],
    },
    { names: ["read"], action: "SCMP_ACT_KILL" },
  ],
};

test("the emulator runs all instructions of filters, and refuses others", () => {
  const instruction = (code: number, k: number, jt = 0, jf = 0) => ({ code, jt, jf, k });
  const run = (program: readonly ReturnType<typeof instruction>[], args: readonly bigint[]) =>
    emulate(encodeInstructions(program, false), { arch: 1, nr: 2, args, ip: 3n });
  const program = [
    instruction(0x20, 16 + 4),
    instruction(0x54, 0xf0),
    instruction(0x25, 0x10, 0, 1),
    instruction(0x06, 0x7fff0000),
    instruction(0x05, 1),
    instruction(0x06, 0),
    instruction(0x45, 0x10, 0, 1),
    instruction(0x06, 0x50007),
    instruction(0x06, 0x80000000),
  ];
  expect(run(program, [0x2f00000000n])).toEqual({
    ret: 0x7fff0000,
    action: 0x7fff0000,
    data: 0,
    steps: 4,
    text: "ALLOW",
  });
  expect(run(program, [0x1f00000000n])).toEqual({ ret: 0x50007, action: 0x50000, data: 7, steps: 6, text: "ERRNO(7)" });
  expect(run(program, [0n]).text).toBe("KILL_PROCESS");
  expect(() => run([instruction(0x87, 0)], [])).toThrow("unknown instruction code 0x87 at instruction 0");
  expect(() => run([instruction(0x20, 64)], [])).toThrow("filter loads offset 64 at instruction 0");
  expect(() => run([instruction(0x05, 4)], [])).toThrow("filter runs past its end");
});

test("the disassembler names what is compared", () => {
  const lines = disassemble(compileSeccomp(PROFILE, { arch: ARCH }).instructions);
  expect(lines[0]).toBe(" 0: A = arch");
  expect(lines.some((line) => line.includes("(clone)"))).toBe(true);
  expect(lines.some((line) => line.includes("if args[0].low & 0x7e020000"))).toBe(true);
  expect(disassemble(new Uint8Array(11))).toEqual(["0: unknown code 0x0 jt=0 jf=0 k=0x0", "3 bytes left over"]);
});

test("explain finds what decides", () => {
  const about = (call: string | number, args: readonly bigint[] = []) => explain(PROFILE, call, args, { arch: ARCH });
  expect(about("read")).toMatchObject({
    text: "ALLOW",
    at: "/linux/seccomp/syscalls/0",
    ignored: ["/linux/seccomp/syscalls/2"],
  });
  expect(about("clone", [0x11n])).toMatchObject({ text: "ALLOW", at: "/linux/seccomp/syscalls/1", failed: [] });
  expect(about("clone", [0x10000000n])).toMatchObject({
    text: "ERRNO(1)",
    at: "/linux/seccomp/defaultAction",
    failed: [{ at: "/linux/seccomp/syscalls/1", reason: "args[0] & 0x7e020000 == 0x0 does not hold" }],
  });
  expect(about("openat2")).toMatchObject({ text: "ERRNO(38)", reason: expect.stringContaining("newest: `openat`") });
  expect(about(0x40000000)).toMatchObject({ text: "KILL_THREAD" });
  expect(() => about("frobnicate")).toThrow("`SCMP_ARCH_X86_64` has no system call `frobnicate`");
});

test("explain and the filter agree", () => {
  const random = createRandom(99);
  let checks = 0;
  for (let i = 0; i < 60; i++) {
    const made = i % 6 === 0 ? makeLongList(random, 2 + i) : makeProfile(random, { oneAction: false, wide: true });
    const profile: Seccomp = { ...made, listenerPath: "/agent" };
    const { instructions } = compileSeccomp(profile, { arch: ARCH });
    for (const nr of syscallTable(ARCH).values()) {
      const conditions = oracleFor(profile, ARCH, nr).rules.flatMap(({ args }) => args);
      for (const args of conditions.length === 0 ? [[]] : boundaryArgs(conditions, random, 5)) {
        const { ret } = emulate(instructions, { arch: archInfo(ARCH).audit, nr, args });
        expect(explain(profile, nr, args, { arch: ARCH }).ret).toBe(ret);
        checks++;
      }
    }
  }
  expect(checks).toBeGreaterThan(20_000);
}, 60_000);

test("reports", () => {
  expect(disasmReport(PROFILE, ARCH)).toStartWith(" 0: A = arch\n");
  expect(disasmReport(encodeInstructions([{ code: 6, jt: 0, jf: 0, k: 0x7fff0000 }], false), ARCH)).toBe(
    "0: return ALLOW\n",
  );
  expect(explainReport(PROFILE, "socket", ["1"], ARCH)).toBe(
    [
      "SCMP_ARCH_X86_64 socket (41): ALLOW",
      "  decided by /linux/seccomp/syscalls/0: the entry names the call",
      "SCMP_ARCH_X86 socket (359): ALLOW",
      "  decided by /linux/seccomp/syscalls/0: the entry names the call",
      "socket through socketcall:",
      "SCMP_ARCH_X86 socketcall (102): ALLOW",
      "  decided by /linux/seccomp/syscalls/0: all conditions of the entry hold",
      "",
    ].join("\n"),
  );
  expect(explainReport(PROFILE, "56", ["-1"], ARCH)).toContain("clone (56): ERRNO(1)");
  expect(() => explainReport(PROFILE, "read", ["one"], ARCH)).toThrow("`one` is not a number");
  expect(() => explainReport(PROFILE, "frob", [], ARCH)).toThrow(
    "no architecture of the profile has a system call `frob`",
  );
  const stats = statsReport({ ...PROFILE, flags: ["SECCOMP_FILTER_FLAG_LOG"] }, ARCH);
  expect(stats).toMatch(/^instructions {3}\d+ of 4096 \(\d+ bytes\)\n/);
  expect(stats).toContain("flags          SECCOMP_FILTER_FLAG_LOG\n");
  expect(stats).toMatch(/ {2}epoll_wait +\d+ {2}ERRNO\(1\)\n/);
});

const folders: string[] = [];

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "tsrunc-cache-"));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

test("the cache gives the same filter, and does not trust what it finds", () => {
  const folder = join(scratch(), "seccomp");
  const options = { arch: ARCH } as const;
  const fresh = compileSeccomp(PROFILE, options);
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual(fresh);
  const path = join(folder, cacheName(cacheKey(PROFILE, options)));
  expect(readdirSync(folder)).toHaveLength(1);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual({ ...fresh, cached: true });

  const good = readFileSync(path);
  const evil = Buffer.from(good);
  evil.writeUInt32LE(0x7fff0000, 16 + fresh.instructions.length - 4);
  writeFileSync(path, evil);
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual(fresh);
  expect(readFileSync(path)).toEqual(good);

  const other: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  compileSeccompCached(other, options, folder);
  writeFileSync(path, readFileSync(join(folder, cacheName(cacheKey(other, options)))));
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual(fresh);

  chmodSync(path, 0o644);
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual(fresh);
  expect(statSync(path).mode & 0o777).toBe(0o600);

  unlinkSync(path);
  symlinkSync("/etc/passwd", path);
  expect(compileSeccompCached(PROFILE, options, folder)).toEqual(fresh);
  expect(readFileSync(path)).toEqual(good);
});

test("the cache key and the file name depend on all that decides", () => {
  const wide = (value: number | bigint): Seccomp => ({
    ...PROFILE,
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, op: "SCMP_CMP_EQ", value }] }],
  });
  const keys = [
    cacheKey(PROFILE, { arch: ARCH }),
    cacheKey(PROFILE, { arch: "SCMP_ARCH_AARCH64" }),
    cacheKey(PROFILE, { arch: ARCH, kernel: { flags: 1 } }),
    cacheKey(PROFILE, { arch: ARCH, neededCalls: [] }),
    cacheKey({ ...PROFILE, defaultErrnoRet: 38 }, { arch: ARCH }),
    ...Array.from({ length: 500 }, (_, i) => cacheKey(wide(2n ** 63n + BigInt(i)), { arch: ARCH })),
  ];
  expect(cacheKey(structuredClone(PROFILE), { arch: ARCH })).toEqual(keys[0]!);
  expect(new Set(keys.map(String)).size).toBe(keys.length);
  expect(new Set(keys.map(cacheName)).size).toBe(keys.length);
});

test("a file of another key under the same name is not used", () => {
  const folder = join(scratch(), "seccomp");
  const options = { arch: ARCH } as const;
  const other: Seccomp = { ...PROFILE, syscalls: [{ names: ["bpf"], action: "SCMP_ACT_ALLOW" }] };
  const same: Seccomp = { ...PROFILE, syscalls: [{ names: ["kcmp"], action: "SCMP_ACT_ALLOW" }] };
  compileSeccompCached(other, options, folder);
  renameSync(join(folder, cacheName(cacheKey(other, options))), join(folder, cacheName(cacheKey(same, options))));
  expect(compileSeccompCached(same, options, folder)).toEqual(compileSeccomp(same, options));
});

test("a profile with a problem is refused, whatever the cache holds", () => {
  const folder = join(scratch(), "seccomp");
  const bad = { defaultAction: "SCMP_ACT_NO" } as unknown as Seccomp;
  for (let i = 0; i < 2; i++) {
    expect(() => compileSeccompCached(bad, { arch: ARCH }, folder)).toThrow("invalid seccomp profile");
  }
});
