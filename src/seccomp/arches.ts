/** The architectures a filter can tell apart. */

import type { SeccompArch } from "../spec/types.ts";
import { X32_BIT } from "./constants.ts";

export interface ArchInfo {
  /** Name of its system call table (src/seccomp/tables). */
  readonly table: string;
  /** AUDIT_ARCH_* (<linux/audit.h>), what `seccomp_data.arch` holds. */
  readonly audit: number;
  /** Size of the half of an argument that libseccomp compares: with 32, only the low half. */
  readonly bits: 32 | 64;
  readonly bigEndian: boolean;
  /** Added to the numbers of the table. */
  readonly base: number;
  /** Sockets and System V IPC (also) go through socketcall(2) and ipc(2). */
  readonly multiplexed: boolean;
  /** clone(2) takes the stack first and the flags second; everywhere else it is the other way round. */
  readonly stackFirst: boolean;
}

/** <linux/audit.h>: EM_* of <linux/elf-em.h>, with these bits. */
const AUDIT_64BIT = 0x80000000;
const AUDIT_LE = 0x40000000;
const AUDIT_MIPS_N32 = 0x20000000;
const EM_386 = 3;
const EM_68K = 4;
const EM_MIPS = 8;
const EM_PARISC = 15;
const EM_PPC = 20;
const EM_PPC64 = 21;
const EM_S390 = 22;
const EM_ARM = 40;
const EM_SH = 42;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const EM_RISCV = 243;
const EM_LOONGARCH = 258;

const MIPS_O32_BASE = 4000;
const MIPS_N64_BASE = 5000;
const MIPS_N32_BASE = 6000;

function arch(
  table: string,
  machine: number,
  bits: 32 | 64,
  more: Partial<ArchInfo> & { le?: boolean } = {},
): ArchInfo {
  const { le = true, ...rest } = more;
  const audit = (machine | (bits === 64 ? AUDIT_64BIT : 0) | (le ? AUDIT_LE : 0)) >>> 0;
  return { table, audit, bits, bigEndian: !le, base: 0, multiplexed: false, stackFirst: false, ...rest };
}

function mipsN32(le: boolean): ArchInfo {
  const audit = (EM_MIPS | AUDIT_64BIT | AUDIT_MIPS_N32 | (le ? AUDIT_LE : 0)) >>> 0;
  return arch("mips64n32", EM_MIPS, 32, { le, base: MIPS_N32_BASE, audit });
}

/** Made on demand: a process of 3 ms that compiles no filter shall not pay for it. */
const MAKERS: Readonly<Record<SeccompArch, () => ArchInfo>> = {
  SCMP_ARCH_X86: () => arch("x86", EM_386, 32, { multiplexed: true }),
  SCMP_ARCH_X86_64: () => arch("x86_64", EM_X86_64, 64),
  // The kernel reports x32 as x86_64 with a bit in the system call number.
  SCMP_ARCH_X32: () => ({ ...arch("x32", EM_X86_64, 64), bits: 32, base: X32_BIT }),
  SCMP_ARCH_ARM: () => arch("arm", EM_ARM, 32),
  SCMP_ARCH_AARCH64: () => arch("aarch64", EM_AARCH64, 64),
  SCMP_ARCH_LOONGARCH64: () => arch("loongarch64", EM_LOONGARCH, 64),
  SCMP_ARCH_M68K: () => arch("m68k", EM_68K, 32, { le: false, multiplexed: true }),
  SCMP_ARCH_MIPS: () => arch("mips", EM_MIPS, 32, { le: false, base: MIPS_O32_BASE, multiplexed: true }),
  SCMP_ARCH_MIPSEL: () => arch("mips", EM_MIPS, 32, { base: MIPS_O32_BASE, multiplexed: true }),
  SCMP_ARCH_MIPS64: () => arch("mips64", EM_MIPS, 64, { le: false, base: MIPS_N64_BASE }),
  SCMP_ARCH_MIPSEL64: () => arch("mips64", EM_MIPS, 64, { base: MIPS_N64_BASE }),
  SCMP_ARCH_MIPS64N32: () => mipsN32(false),
  SCMP_ARCH_MIPSEL64N32: () => mipsN32(true),
  SCMP_ARCH_PARISC: () => arch("parisc", EM_PARISC, 32, { le: false }),
  SCMP_ARCH_PARISC64: () => arch("parisc64", EM_PARISC, 64, { le: false }),
  SCMP_ARCH_PPC: () => arch("ppc", EM_PPC, 32, { le: false, multiplexed: true }),
  SCMP_ARCH_PPC64: () => arch("ppc64", EM_PPC64, 64, { le: false, multiplexed: true }),
  SCMP_ARCH_PPC64LE: () => arch("ppc64", EM_PPC64, 64, { multiplexed: true }),
  SCMP_ARCH_RISCV64: () => arch("riscv64", EM_RISCV, 64),
  SCMP_ARCH_S390: () => arch("s390", EM_S390, 32, { le: false, multiplexed: true, stackFirst: true }),
  SCMP_ARCH_S390X: () => arch("s390x", EM_S390, 64, { le: false, multiplexed: true, stackFirst: true }),
  SCMP_ARCH_SH: () => arch("sh", EM_SH, 32, { multiplexed: true }),
  SCMP_ARCH_SHEB: () => arch("sh", EM_SH, 32, { le: false, multiplexed: true }),
};

export function isArch(name: string): name is SeccompArch {
  return Object.hasOwn(MAKERS, name);
}

/** All names, in the order of the specification. */
export function allArches(): readonly SeccompArch[] {
  return Object.keys(MAKERS) as SeccompArch[];
}

export function archInfo(name: SeccompArch): ArchInfo {
  return MAKERS[name]();
}

/**
 * The SCMP_ARCH_* of the machine, from `process.arch` and `os.endianness()`; undefined where none is known.
 * Node calls both endiannesses of ppc64 by one name.
 */
export function nativeArch(processArch: string, endianness: "LE" | "BE"): SeccompArch | undefined {
  switch (processArch) {
    case "x64":
      return "SCMP_ARCH_X86_64";
    case "ia32":
      return "SCMP_ARCH_X86";
    case "arm64":
      return "SCMP_ARCH_AARCH64";
    case "arm":
      return "SCMP_ARCH_ARM";
    case "loong64":
      return "SCMP_ARCH_LOONGARCH64";
    case "riscv64":
      return "SCMP_ARCH_RISCV64";
    case "s390x":
      return "SCMP_ARCH_S390X";
    case "ppc64":
      return endianness === "LE" ? "SCMP_ARCH_PPC64LE" : "SCMP_ARCH_PPC64";
    case "mips":
      return "SCMP_ARCH_MIPS";
    case "mipsel":
      return "SCMP_ARCH_MIPSEL";
    default:
      return undefined;
  }
}
