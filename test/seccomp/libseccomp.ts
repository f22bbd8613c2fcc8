/** libseccomp at the other end of a pipe: test/seccomp/export-bpf.c, compiled when a test first asks for it. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { returnValue } from "../../src/seccomp/constants.ts";
import type { Seccomp, SeccompArch, SeccompArg } from "../../src/spec/types.ts";

/** enum scmp_compare of <seccomp.h>. */
const OPS: Readonly<Record<SeccompArg["op"], number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** SCMP_ARCH_* of <seccomp.h>: AUDIT_ARCH_*, but x32, which the kernel reports as x86_64. */
export const ARCH_TOKENS: Partial<Readonly<Record<SeccompArch, number>>> = {
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_MIPS: 0x00000008,
  SCMP_ARCH_MIPS64: 0x80000008,
  SCMP_ARCH_MIPS64N32: 0xa0000008,
  SCMP_ARCH_MIPSEL: 0x40000008,
  SCMP_ARCH_MIPSEL64: 0xc0000008,
  SCMP_ARCH_MIPSEL64N32: 0xe0000008,
  SCMP_ARCH_PARISC: 0x0000000f,
  SCMP_ARCH_PARISC64: 0x8000000f,
  SCMP_ARCH_PPC: 0x00000014,
  SCMP_ARCH_PPC64: 0x80000015,
  SCMP_ARCH_PPC64LE: 0xc0000015,
  SCMP_ARCH_S390: 0x00000016,
  SCMP_ARCH_S390X: 0x80000016,
  SCMP_ARCH_RISCV64: 0xc00000f3,
};

export interface Exported {
  /** 0, or a negative errno. */
  readonly status: number;
  readonly rule: number;
  readonly microseconds: number;
  readonly filter: Uint8Array;
}

let built: string | undefined;

function program(): string {
  if (built === undefined) {
    built = join(mkdtempSync(join(tmpdir(), "seccomp-")), "export-bpf");
    const source = join(import.meta.dirname, "export-bpf.c");
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", built, source, "-lseccomp"], { stdio: "inherit" });
  }
  return built;
}

function ask(text: string): Buffer {
  const { stdout, status } = spawnSync(program(), { input: text, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`export-bpf ended with status ${status}`);
  return stdout;
}

/** What libseccomp makes of each profile, asked as runc asks it; `optimize` 2 is its binary tree. */
export function exportFilters(
  profiles: readonly Seccomp[],
  arches: readonly SeccompArch[],
  optimize = 1,
): readonly Exported[] {
  const answer = ask(profiles.map((profile) => request(profile, arches, optimize)).join(""));
  const exported: Exported[] = [];
  for (let at = 0; at < answer.length; ) {
    const length = answer.readUInt32LE(at + 12);
    const filter = new Uint8Array(answer.subarray(at + 16, at + 16 + length));
    const microseconds = answer.readUInt32LE(at + 8) / 1000;
    exported.push({ status: answer.readInt32LE(at), rule: answer.readUInt32LE(at + 4), microseconds, filter });
    at += 16 + length;
  }
  return exported;
}

/** libseccomp's numbers; -1 is "unknown", other negative numbers are its pseudo numbers. */
export function resolveNames(arch: SeccompArch, names: readonly string[]): readonly number[] {
  const token = ARCH_TOKENS[arch]!.toString(16);
  const answer = ask(names.map((name) => `resolve ${token} ${name}\n`).join(""));
  return names.map((_, i) => answer.readInt32LE(i * 4));
}

function request(profile: Seccomp, arches: readonly SeccompArch[], optimize: number): string {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const lines = [`profile ${fallback.toString(16)} ${optimize}`];
  for (const arch of arches) lines.push(`arch ${ARCH_TOKENS[arch]!.toString(16)}`);
  for (const entry of profile.syscalls ?? []) {
    const ret = returnValue(entry.action, entry.errnoRet);
    if (ret === fallback) continue;
    for (const name of entry.names) {
      for (const args of alternatives(entry.args ?? []))
        lines.push(`rule ${ret.toString(16)} ${name}${conditions(args)}`);
    }
  }
  return `${lines.join("\n")}\nend\n`;
}

function alternatives(args: readonly SeccompArg[]): readonly (readonly SeccompArg[])[] {
  const isOncePerArgument = new Set(args.map(({ index }) => index)).size === args.length;
  return isOncePerArgument ? [args] : args.map((arg) => [arg]);
}

function conditions(args: readonly SeccompArg[]): string {
  return args.map(({ index, op, value, valueTwo }) => ` ${index} ${OPS[op]} ${value} ${valueTwo ?? 0}`).join("");
}
