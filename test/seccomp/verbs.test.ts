/** `tsrunc seccomp`, through the command line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { hostArch } from "../../src/container/seccomp-source.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { syscallNumber } from "../../src/seccomp/syscalls.ts";
import type { Seccomp } from "../../src/spec/types.ts";

const MAIN = path.join(import.meta.dir, "../../src/cli/main.ts");
const ARCH = hostArch();
const PROFILE: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  listenerPath: "/run/agent.sock",
  syscalls: [
    { names: ["read", "write", "openat2"], action: "SCMP_ACT_ALLOW" },
    { names: ["close"], action: "SCMP_ACT_NOTIFY" },
    {
      names: ["personality"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, op: "SCMP_CMP_EQ", value: 0xffffffff }],
    },
  ],
};
let directory: string;

function put(name: string, content: unknown): string {
  const file = path.join(directory, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content instanceof Uint8Array ? content : JSON.stringify(content));
  return file;
}

function config(seccomp?: unknown): unknown {
  return { ociVersion: "1.0.2", root: { path: "rootfs" }, linux: { namespaces: [], seccomp } };
}

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-seccomp-"));
  put("bundle/config.json", config(PROFILE));
  put("profile.json", PROFILE);
  put("filter.bpf", compileSeccomp(PROFILE, { arch: ARCH }).instructions);
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

function seccomp(...args: string[]): { readonly status: number; readonly out: string; readonly err: string } {
  const done = Bun.spawnSync([process.execPath, MAIN, "seccomp", ...args], { cwd: directory });
  return { status: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

test("disasm shows the same filter for a bundle, its config.json, the profile and the filter itself", () => {
  const shown = ["bundle", "bundle/config.json", "profile.json", "filter.bpf"].map((source) =>
    seccomp("disasm", source),
  );
  expect(shown[0]).toMatchObject({ status: 0, err: "" });
  expect(shown[0]!.out).toStartWith(" 0: A = arch\n");
  expect(shown[0]!.out).toContain("return USER_NOTIF\n");
  for (const one of shown) expect(one).toEqual(shown[0]!);
});

test("explain names the rule that decides, by its place in the file that was given", () => {
  expect(seccomp("explain", "bundle", "write").out).toBe(
    `${ARCH} write (${syscallNumber(ARCH, "write")}): ALLOW\n  decided by /linux/seccomp/syscalls/0: the entry names the call\n`,
  );
  expect(seccomp("explain", "profile.json", "write").out).toContain(
    "  decided by /linux/seccomp/syscalls/0: the entry names the call\n",
  );
  expect(seccomp("explain", "bundle", "personality", "0xffffffff").out).toContain(
    "ALLOW\n  decided by /linux/seccomp/syscalls/2",
  );
  const denied = seccomp("explain", "profile.json", "personality", "-1").out;
  expect(denied).toContain(
    "ERRNO(1)\n  decided by /linux/seccomp/defaultAction: no entry decides: the default action\n",
  );
  expect(denied).toContain("  not by /linux/seccomp/syscalls/2: args[0] == 0xffffffff does not hold\n");
});

test("stats counts instructions and the ways of common calls", () => {
  const { status, out } = seccomp("stats", "bundle");
  expect(status).toBe(0);
  const length = compileSeccomp(PROFILE, { arch: ARCH }).length;
  expect(out).toStartWith(`instructions   ${length} of 4096 (${length * 8} bytes)\n`);
  expect(out).toMatch(/^ {2}close +\d+ {2}USER_NOTIF$/m);
});

test("arguments of 64 bits are kept, in a profile and in a bundle", () => {
  const rule =
    '{"names":["personality"],"action":"SCMP_ACT_KILL","args":[{"index":0,"op":"SCMP_CMP_EQ","value":18446744073709551615}]}';
  const profile = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[${rule}]}`;
  const bundle = `{"ociVersion":"1.0.2","linux":{"seccomp":${profile}}}`;
  for (const source of [put("wide.json", Buffer.from(profile)), put("wide/config.json", Buffer.from(bundle))]) {
    expect(seccomp("stats", source)).toMatchObject({ status: 0, err: "" });
    expect(seccomp("disasm", source)).toMatchObject({ status: 0, err: "" });
    expect(seccomp("explain", source, "personality", "-1").out).toContain(": KILL");
    expect(seccomp("explain", source, "personality", "0xfffffffffffffffe").out).toContain(": ALLOW");
  }
});

test("what is wrong is said with a pointer, and nothing else", () => {
  const bad = { ...PROFILE, syscalls: [{ names: ["read"], action: "SCMP_ACT_NO" }] };
  for (const source of [put("bad.json", bad), path.dirname(put("bad/config.json", config(bad)))]) {
    const { status, out, err } = seccomp("stats", source);
    expect({ status, out, lines: err.split("\n").length }).toEqual({ status: 1, out: "", lines: 2 });
    expect(err).toContain("/linux/seccomp/syscalls/0/action: ");
  }
  expect(seccomp("stats", put("none.json", config())).err).toContain("has no seccomp profile (at /linux/seccomp)");
  expect(seccomp("stats", "filter.bpf").err).toContain("`filter.bpf` is no profile");
  expect(seccomp("stats", "missing").err).toContain("`missing`: no such file or directory");
});

test("the command line is checked", () => {
  const { status, err } = seccomp("show", "bundle");
  expect(status).toBe(1);
  expect(err).toContain("`seccomp`: expected disasm or explain or stats, found `show`");
  for (const wrong of [
    ["stats", "bundle", "read"],
    ["explain", "bundle"],
  ]) {
    const { status, err } = seccomp(...wrong);
    expect(status).toBe(1);
    expect(err).toContain("`seccomp explain BUNDLE|FILE SYSCALL [ARG…]`");
  }
  expect(seccomp("explain", "bundle", "frob").err).toContain("no architecture of the profile has a system call `frob`");
});
