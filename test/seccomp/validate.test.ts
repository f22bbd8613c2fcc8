import { expect, test } from "bun:test";
import { formatError, TsruncError } from "../../src/errors.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { listenerProblems } from "../../src/seccomp/notify.ts";
import { seccompProblems } from "../../src/seccomp/validate.ts";
import type { Seccomp } from "../../src/spec/types.ts";

/** Profiles as they come from a file: with values that the types do not allow. */
function problems(profile: object): readonly string[] {
  return seccompProblems(profile as Seccomp, "SCMP_ARCH_X86_64", "/linux/seccomp").map(({ at, message }) => {
    return `${at.slice("/linux/seccomp".length)}: ${message.replace(/, expected one of .*/, "")}`;
  });
}

function withEntry(entry: object): readonly string[] {
  return problems({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO", ...entry }],
  });
}

test("actions", () => {
  expect(problems({})).toEqual(["/defaultAction: is required"]);
  expect(problems({ defaultAction: "SCMP_ACT_MAYBE" })).toEqual(["/defaultAction: unknown action `SCMP_ACT_MAYBE`"]);
  expect(problems({ defaultAction: "toString" })).toEqual(["/defaultAction: unknown action `toString`"]);
  expect(withEntry({ action: "allow" })).toEqual(["/syscalls/0/action: unknown action `allow`"]);
});

test("errnoRet", () => {
  expect(withEntry({ errnoRet: 4095 })).toEqual([]);
  expect(withEntry({ errnoRet: 0 })).toEqual([]);
  expect(withEntry({ errnoRet: 4096 })).toEqual(["/syscalls/0/errnoRet: expected 0 to 4095, found 4096"]);
  expect(withEntry({ errnoRet: -1 })).toEqual(["/syscalls/0/errnoRet: expected 0 to 4095, found -1"]);
  expect(withEntry({ action: "SCMP_ACT_TRACE", errnoRet: 65535 })).toEqual([]);
  expect(withEntry({ action: "SCMP_ACT_TRACE", errnoRet: 65536 })).toHaveLength(1);
  expect(withEntry({ action: "SCMP_ACT_KILL", errnoRet: 1 })).toEqual([
    "/syscalls/0/errnoRet: action `SCMP_ACT_KILL` takes no errno",
  ]);
  expect(problems({ defaultAction: "SCMP_ACT_LOG", defaultErrnoRet: 1 })).toEqual([
    "/defaultErrnoRet: action `SCMP_ACT_LOG` takes no errno",
  ]);
});

test("conditions", () => {
  const arg = { index: 0, op: "SCMP_CMP_EQ", value: 1 };
  for (const length of [6, 7, 100]) expect(withEntry({ args: Array.from({ length }, () => arg) })).toEqual([]);
  expect(withEntry({ args: [arg, { ...arg, index: 6 }] })).toEqual([
    "/syscalls/0/args/1/index: expected 0 to 5, found 6",
  ]);
  expect(withEntry({ args: [{ ...arg, op: "==" }] })).toEqual(["/syscalls/0/args/0/op: unknown operator `==`"]);
  expect(withEntry({ args: [{ ...arg, value: -1 }] })).toEqual([
    "/syscalls/0/args/0/value: expected an unsigned 64-bit number, found -1",
  ]);
  expect(withEntry({ args: [{ ...arg, value: 2n ** 64n - 1n, valueTwo: 2n ** 64n }] })).toHaveLength(1);
});

test("names, architectures, flags, listener", () => {
  expect(withEntry({ names: [] })).toEqual(["/syscalls/0/names: must not be empty"]);
  expect(withEntry({ names: ["read", ""] })).toEqual(["/syscalls/0/names/1: must not be an empty string"]);
  const base = { defaultAction: "SCMP_ACT_ALLOW" };
  expect(problems({ ...base, architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_Z80"] })).toEqual([
    "/architectures/1: unknown architecture `SCMP_ARCH_Z80`",
  ]);
  expect(problems({ ...base, architectures: ["SCMP_ARCH_S390X"] })).toEqual([
    "/architectures/0: `SCMP_ARCH_S390X` has another byte order than this machine (`SCMP_ARCH_X86_64`)",
  ]);
  expect(problems({ ...base, flags: ["LOG"] })).toEqual(["/flags/0: unknown flag `LOG`"]);
  expect(problems({ ...base, flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] })).toEqual([
    "/flags/0: works only with an action `SCMP_ACT_NOTIFY`",
  ]);
  expect(problems({ ...base, listenerMetadata: "x" })).toEqual([
    "/listenerMetadata: must not be set without `listenerPath`",
  ]);
  expect(withEntry({ action: "SCMP_ACT_NOTIFY" })).toEqual([
    "/listenerPath: `SCMP_ACT_NOTIFY` is used, but `listenerPath` is not set",
  ]);
});

test("all problems come in one error, with pointers", () => {
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    flags: ["X"],
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO", args: [{ index: 9, op: "EQ", value: 1 }] }],
  } as unknown as Seccomp;
  let error: unknown;
  try {
    compileSeccomp(profile, { arch: "SCMP_ARCH_X86_64" });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TsruncError);
  expect((error as TsruncError).code).toBe("config");
  expect((error as TsruncError).at).toBe("/linux/seccomp/flags/0");
  expect((error as TsruncError).problems.map(({ at }) => at)).toEqual([
    "/linux/seccomp/flags/0",
    "/linux/seccomp/syscalls/0/args/0/index",
    "/linux/seccomp/syscalls/0/args/0/op",
  ]);
  expect(formatError(error)).not.toContain("\n");
});

test("NOTIFY where it would stop the container from starting", () => {
  const notify = (names: readonly string[]): Seccomp => ({
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath: "/agent",
    syscalls: [{ names, action: "SCMP_ACT_NOTIFY" }],
  });
  expect(listenerProblems(notify(["mkdir", "sendmsg", "write", "close", "execve"]))).toEqual([]);
  expect(listenerProblems(notify(["mkdir", "write"]), ["write"]).map(({ at }) => at)).toEqual([
    "/linux/seccomp/syscalls/0/names/1",
  ]);
  expect(listenerProblems({ defaultAction: "SCMP_ACT_NOTIFY" }).map(({ at }) => at)).toEqual([
    "/linux/seccomp/defaultAction",
  ]);
  const options = { arch: "SCMP_ARCH_X86_64", neededCalls: ["write"] } as const;
  expect(() => compileSeccomp(notify(["write"]), options)).toThrow("seccomp profile would deadlock");
});
