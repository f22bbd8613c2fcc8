/** What can be wrong with linux.seccomp, all of it at once. */

import type { Problem } from "../errors.ts";
import type { Seccomp, SeccompArch, SeccompArg, SeccompSyscall } from "../spec/types.ts";
import { archInfo, isArch } from "./arches.ts";
import { ACTIONS, FLAGS, OPERATORS } from "./constants.ts";

/** <linux/seccomp.h>: `seccomp_data.args` has six members. */
const MAX_ARGS = 6;
const MAX_UINT64 = 0xffffffffffffffffn;

/** What the running kernel can do; a part that is absent is not checked. */
export interface SeccompKernel {
  /** Words of /proc/sys/kernel/seccomp/actions_avail. */
  readonly actions?: readonly string[];
  /** Bits that seccomp(SECCOMP_SET_MODE_FILTER) takes. */
  readonly flags?: number;
}

/** The flags that a kernel takes, from `uname -r`; distributions do not take them away, a few add some earlier. */
export function flagsOfKernel(release: string): number {
  const [major = 0, minor = 0] = release.split(/[.-]/, 2).map(Number);
  let flags = 0;
  for (const { bit, since } of Object.values(FLAGS)) {
    if (major > since[0] || (major === since[0] && minor >= since[1])) flags |= bit;
  }
  return flags;
}

/**
 * Problems of a profile, in the order of the file. `at` is the pointer of linux.seccomp, `native` the machine.
 * The specification (config-linux.md, "Seccomp") says what must be refused; the rest could not be expressed.
 */
export function seccompProblems(seccomp: Seccomp, native: SeccompArch, at: string): readonly Problem[] {
  const problems: Problem[] = [];
  checkAction(problems, seccomp.defaultAction, seccomp.defaultErrnoRet, at, "defaultAction", "defaultErrnoRet");
  checkArches(problems, seccomp.architectures ?? [], native, at);
  seccomp.flags?.forEach((flag: string, i) => {
    if (!Object.hasOwn(FLAGS, flag)) problems.push(unknown(`${at}/flags/${i}`, "flag", flag, FLAGS));
  });
  const notifies = usesNotify(seccomp);
  if (notifies && !seccomp.listenerPath) {
    problems.push({ at: `${at}/listenerPath`, message: "`SCMP_ACT_NOTIFY` is used, but `listenerPath` is not set" });
  }
  if (seccomp.listenerMetadata && !seccomp.listenerPath) {
    problems.push({ at: `${at}/listenerMetadata`, message: "must not be set without `listenerPath`" });
  }
  const waitFlag = seccomp.flags?.indexOf("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") ?? -1;
  if (waitFlag >= 0 && !notifies) {
    // kernel/seccomp.c since 5.19: EINVAL without SECCOMP_FILTER_FLAG_NEW_LISTENER.
    problems.push({ at: `${at}/flags/${waitFlag}`, message: "works only with an action `SCMP_ACT_NOTIFY`" });
  }
  seccomp.syscalls?.forEach((entry, i) => {
    checkSyscall(problems, entry, `${at}/syscalls/${i}`);
  });
  return problems;
}

/** Whether an entry asks for SCMP_ACT_NOTIFY, so that the kernel must make a listener. */
export function usesNotify(seccomp: Seccomp): boolean {
  return seccomp.syscalls?.some((entry) => entry.action === "SCMP_ACT_NOTIFY") ?? false;
}

/** What the profile asks of the kernel and does not get. Call it with a profile that has no other problem. */
export function kernelProblems(seccomp: Seccomp, kernel: SeccompKernel, at: string): readonly Problem[] {
  const problems: Problem[] = [];
  const { actions, flags } = kernel;
  const needAction = (action: keyof typeof ACTIONS, place: string) => {
    if (actions !== undefined && !actions.includes(ACTIONS[action].kernel)) {
      problems.push({ at: place, message: `this kernel has no action \`${action}\`` });
    }
  };
  needAction(seccomp.defaultAction, `${at}/defaultAction`);
  seccomp.syscalls?.forEach((entry, i) => {
    needAction(entry.action, `${at}/syscalls/${i}/action`);
  });
  seccomp.flags?.forEach((flag, i) => {
    if (flags !== undefined && (flags & FLAGS[flag].bit) === 0) {
      problems.push({ at: `${at}/flags/${i}`, message: `this kernel has no flag \`${flag}\`` });
    }
  });
  return problems;
}

function unknown(at: string, what: string, found: unknown, known: object): Problem {
  const shown = typeof found === "string" ? `\`${found}\`` : JSON.stringify(found);
  return { at, message: `unknown ${what} ${shown}, expected one of ${Object.keys(known).join(", ")}` };
}

function checkAction(
  problems: Problem[],
  action: string,
  errnoRet: number | undefined,
  at: string,
  actionField: string,
  errnoField: string,
): void {
  if (!Object.hasOwn(ACTIONS, action)) {
    problems.push(
      action === undefined
        ? { at: `${at}/${actionField}`, message: "is required" }
        : unknown(`${at}/${actionField}`, "action", action, ACTIONS),
    );
    return;
  }
  if (errnoRet === undefined || errnoRet === null) return;
  const max = ACTIONS[action as keyof typeof ACTIONS].maxErrno;
  if (max === undefined) {
    problems.push({ at: `${at}/${errnoField}`, message: `action \`${action}\` takes no errno` });
  } else if (!Number.isInteger(errnoRet) || errnoRet < 0 || errnoRet > max) {
    problems.push({ at: `${at}/${errnoField}`, message: `expected 0 to ${max}, found ${errnoRet}` });
  }
}

function checkArches(problems: Problem[], arches: readonly string[], native: SeccompArch, at: string): void {
  arches.forEach((name, i) => {
    const place = `${at}/architectures/${i}`;
    if (!isArch(name)) {
      problems.push({ at: place, message: `unknown architecture \`${name}\`` });
    } else if (archInfo(name).bigEndian !== archInfo(native).bigEndian) {
      // A filter loads arguments by offset, and no kernel runs programs of both byte orders under one filter.
      problems.push({ at: place, message: `\`${name}\` has another byte order than this machine (\`${native}\`)` });
    }
  });
}

function checkSyscall(problems: Problem[], entry: SeccompSyscall, at: string): void {
  const names: readonly string[] | undefined = entry.names;
  if (names === undefined || names.length === 0) problems.push({ at: `${at}/names`, message: "must not be empty" });
  names?.forEach((name, i) => {
    if (name === "") problems.push({ at: `${at}/names/${i}`, message: "must not be an empty string" });
  });
  checkAction(problems, entry.action, entry.errnoRet, at, "action", "errnoRet");
  entry.args?.forEach((arg, i) => {
    checkArg(problems, arg, `${at}/args/${i}`);
  });
}

function checkArg(problems: Problem[], arg: SeccompArg, at: string): void {
  const op: string = arg.op;
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index >= MAX_ARGS) {
    problems.push({ at: `${at}/index`, message: `expected 0 to ${MAX_ARGS - 1}, found ${arg.index}` });
  }
  if (!Object.hasOwn(OPERATORS, op)) problems.push(unknown(`${at}/op`, "operator", op, OPERATORS));
  checkValue(problems, arg.value, `${at}/value`);
  if (arg.valueTwo !== undefined) checkValue(problems, arg.valueTwo, `${at}/valueTwo`);
}

function checkValue(problems: Problem[], value: number | bigint, at: string): void {
  const fine =
    typeof value === "bigint" ? value >= 0n && value <= MAX_UINT64 : Number.isSafeInteger(value) && value >= 0;
  if (!fine) problems.push({ at, message: `expected an unsigned 64-bit number, found ${value}` });
}
