/** The texts behind `tsrunc seccomp disasm`, `explain` and `stats`. All end with a newline. */

import { TsruncError } from "../errors.ts";
import type { Seccomp, SeccompArch } from "../spec/types.ts";
import { archInfo } from "./arches.ts";
import { compileSeccomp, unknownSyscalls } from "./compile.ts";
import { FLAG_NEW_LISTENER, FLAG_TSYNC_ESRCH, FLAGS } from "./constants.ts";
import { disassemble } from "./disassemble.ts";
import { type Explanation, explain } from "./explain.ts";
import { filterArches } from "./rules.ts";
import { filterStats } from "./stats.ts";
import { multiplexer, syscallNumber } from "./syscalls.ts";

const MAX_UINT64 = 0xffffffffffffffffn;

/** The filter of a profile, or a file that holds `struct sock_filter[]` of this machine. */
export function disasmReport(input: Seccomp | Uint8Array, arch: SeccompArch): string {
  const filter = input instanceof Uint8Array ? input : compileSeccomp(input, { arch }).instructions;
  return lines(disassemble(filter, { bigEndian: archInfo(arch).bigEndian }));
}

/**
 * What happens with a call on each architecture of the filter that has it. `args` are as on the command line:
 * decimal, 0x…, 0o…, or negative.
 */
export function explainReport(seccomp: Seccomp, call: string, args: readonly string[], arch: SeccompArch): string {
  compileSeccomp(seccomp, { arch }); // for its errors
  const values = args.map(parseArgument);
  if (values.length > 6) throw new TsruncError("usage", "a system call has at most six arguments");
  const nr = /^\d+$/.test(call) ? Number(call) : call;
  const arches =
    typeof nr === "number" ? [arch] : filterArches(seccomp, arch).filter((one) => syscallNumber(one, nr) !== undefined);
  const parts = arches.map((target) => explanationLines(explain(seccomp, nr, values, { arch, target })));
  const mux = multiplexer(call);
  for (const target of filterArches(seccomp, arch)) {
    if (mux?.call === undefined || !archInfo(target).multiplexed) continue;
    const carried = explain(seccomp, mux.via, [BigInt(mux.call)], { arch, target });
    parts.push([`${call} through ${mux.via}:`, ...explanationLines(carried)]);
  }
  if (parts.length === 0)
    throw new TsruncError("usage", `no architecture of the profile has a system call \`${call}\``);
  return lines(parts.flat());
}

export function statsReport(seccomp: Seccomp, arch: SeccompArch): string {
  const { instructions, limit, bytes, arches, flags, calls } = filterStats(seccomp, arch);
  const unknown = unknownSyscalls(seccomp);
  return lines([
    `instructions   ${instructions} of ${limit} (${bytes} bytes)`,
    `architectures  ${arches.join(" ")}`,
    `flags          ${flagNames(flags).join(" ") || "none"}`,
    ...(unknown.length === 0 ? [] : [`unknown calls  ${unknown.join(" ")}`]),
    "",
    "executed instructions of common calls, with all arguments 0:",
    ...calls.map(({ name, text, steps }) => `  ${name.padEnd(14)} ${String(steps).padStart(3)}  ${text}`),
  ]);
}

/** 2^64 in octal, and some zeros in front of it. */
const LONGEST_NUMBER = 40;

function parseArgument(text: string): bigint {
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1) : text;
  if (digits.length > LONGEST_NUMBER || !/^(?:\d+|0x[\da-f]+|0o[0-7]+)$/i.test(digits))
    throw new TsruncError("usage", `\`${text}\` is not a number`);
  const value = negative ? -BigInt(digits) : BigInt(digits);
  if (value > MAX_UINT64 || value < -(2n ** 63n)) throw new TsruncError("usage", `\`${text}\` does not fit in 64 bits`);
  return BigInt.asUintN(64, value);
}

function explanationLines({ arch, nr, name, text, at, reason, failed, ignored }: Explanation): readonly string[] {
  return [
    `${arch} ${name ?? "?"} (${nr}): ${text}`,
    `  decided by ${at}: ${reason}`,
    ...failed.map((rule) => `  not by ${rule.at}: ${rule.reason}`),
    ...ignored.map((pointer) => `  ${pointer} has no effect on this call`),
  ];
}

function flagNames(flags: number): readonly string[] {
  const names = Object.entries(FLAGS).flatMap(([name, { bit }]) => ((flags & bit) === 0 ? [] : [name]));
  if ((flags & FLAG_NEW_LISTENER) !== 0) names.push("SECCOMP_FILTER_FLAG_NEW_LISTENER");
  if ((flags & FLAG_TSYNC_ESRCH) !== 0) names.push("SECCOMP_FILTER_FLAG_TSYNC_ESRCH");
  return names;
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
