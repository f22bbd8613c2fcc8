/** `tsrunc check`: broken bundles, each with the pointer that is to be named. Needs a build, and no root but for a part. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Finding } from "../../src/check/finding.ts";

const TSRUNC = path.resolve(import.meta.dirname, "../../dist/tsrunc");
let directory = "";

// biome-ignore lint/suspicious/noExplicitAny: what is broken has no type
type Config = any;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "check-"));
  for (const name of ["bin", "etc", "proc", "tmp"])
    mkdirSync(path.join(directory, "rootfs", name), { recursive: true });
  cpSync("/bin/busybox", path.join(directory, "rootfs/bin/busybox"));
  symlinkSync("busybox", path.join(directory, "rootfs/bin/sh"));
  writeFileSync(path.join(directory, "rootfs/etc/text"), "text\n");
  writeFileSync(path.join(directory, "rootfs/bin/plain"), "just text\n", { mode: 0o755 });
  writeFileSync(path.join(directory, "rootfs/bin/script"), "#!/usr/bin/python3 -u\n", { mode: 0o755 });
  writeFileSync(path.join(directory, "rootfs/bin/locked"), "#!/bin/sh\n", { mode: 0o644 });
  writeFileSync(path.join(directory, "rootfs/bin/foreign"), foreignElf());
  chmodSync(path.join(directory, "rootfs/bin/foreign"), 0o755);
  writeFileSync(path.join(directory, "hook"), "#!/bin/sh\n", { mode: 0o644 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The header of an ELF file for a machine that nobody has: EM_VAX. */
function foreignElf(): Buffer {
  const header = Buffer.alloc(64);
  header.write("\u007fELF", "latin1");
  header[4] = 2;
  header[5] = 1;
  header.writeUInt16LE(75, 18);
  return header;
}

function check(change: (config: Config) => void, ...flags: readonly string[]) {
  rmSync(path.join(directory, "config.json"), { force: true });
  execFileSync(TSRUNC, ["spec", "--bundle", directory]);
  const config = JSON.parse(readFileSync(path.join(directory, "config.json"), "utf8"));
  change(config);
  return checkText(JSON.stringify(config), ...flags);
}

function checkText(text: string, ...flags: readonly string[]) {
  writeFileSync(path.join(directory, "config.json"), text);
  const done = spawnSync(TSRUNC, ["check", "--format", "json", ...flags, directory], { encoding: "utf8" });
  return { status: done.status, findings: JSON.parse(done.stdout || "[]") as readonly Finding[], stderr: done.stderr };
}

function set(pointer: string, value: unknown) {
  return (config: Config): void => {
    const keys = pointer.split("/").slice(1);
    const last = keys.pop() ?? "";
    const parent = keys.reduce((object, key) => {
      object[key] ??= {};
      return object[key];
    }, config);
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  };
}

const mount = (more: object) => set("/mounts", [{ destination: "/proc", type: "proc", source: "proc" }, more]);
const hook = (kind: string, more: object) => set("/hooks", { [kind]: [more] });

const ERRORS: readonly (readonly [what: string, change: (config: Config) => void, at: string])[] = [
  ["no ociVersion", set("/ociVersion", undefined), "/ociVersion"],
  ["a version that is none", set("/ociVersion", "one"), "/ociVersion"],
  ["a root that is missing", set("/root/path", "nothing"), "/root/path"],
  ["no root", set("/root", undefined), "/root"],
  ["args of the wrong type", set("/process/args", "sh"), "/process/args"],
  ["no args", set("/process/args", []), "/process/args"],
  ["a relative cwd", set("/process/cwd", "tmp"), "/process/cwd"],
  ["a negative uid", set("/process/user", { uid: -1, gid: 0 }), "/process/user/uid"],
  ["a program that is not there", set("/process/args", ["/bin/none"]), "/process/args/0"],
  ["a program that is not in PATH", set("/process/args", ["none"]), "/process/args/0"],
  ["a program that may not be executed", set("/process/args", ["/bin/locked"]), "/process/args/0"],
  ["a program that is a directory", set("/process/args", ["/bin"]), "/process/args/0"],
  ["a program that is no program", set("/process/args", ["/bin/plain"]), "/process/args/0"],
  ["a script whose interpreter is missing", set("/process/args", ["/bin/script"]), "/process/args/0"],
  ["an unknown rlimit", set("/process/rlimits", [{ type: "RLIMIT_X", soft: 1, hard: 1 }]), "/process/rlimits/0/type"],
  [
    "an rlimit above the kernel's most",
    set("/process/rlimits", [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 ** 40 }]),
    "/process/rlimits/0/hard",
  ],
  [
    "a soft limit above the hard one",
    set("/process/rlimits", [{ type: "RLIMIT_CPU", soft: 2, hard: 1 }]),
    "/process/rlimits/0/soft",
  ],
  ["oomScoreAdj out of range", set("/process/oomScoreAdj", 2000), "/process/oomScoreAdj"],
  ["an unknown scheduler", set("/process/scheduler", { policy: "SCHED_X" }), "/process/scheduler/policy"],
  [
    "an apparmor profile without apparmor",
    set("/process/apparmorProfile", "nobody-has-this"),
    "/process/apparmorProfile",
  ],
  ["an selinux label without selinux", set("/process/selinuxLabel", "a:b:c:s0"), "/process/selinuxLabel"],
  ["a mount label without selinux", set("/linux/mountLabel", "a:b:c:s0"), "/linux/mountLabel"],
  ["a mount without a destination", mount({ type: "tmpfs" }), "/mounts/1/destination"],
  [
    "a bind whose source is missing",
    mount({ destination: "/m", type: "bind", source: "/no/such", options: ["bind"] }),
    "/mounts/1/source",
  ],
  [
    "a relative source that is missing",
    mount({ destination: "/m", source: "no", options: ["rbind"] }),
    "/mounts/1/source",
  ],
  ["a mount without a type", mount({ destination: "/m", source: "x" }), "/mounts/1/type"],
  ["options of the wrong type", mount({ destination: "/m", type: "tmpfs", options: "ro" }), "/mounts/1/options"],
  ["a hook that is missing", hook("createRuntime", { path: "/no/such/hook" }), "/hooks/createRuntime/0/path"],
  [
    "a hook that may not be executed",
    (config) => hook("poststop", { path: path.join(directory, "hook") })(config),
    "/hooks/poststop/0/path",
  ],
  ["a hook with a relative path", hook("prestart", { path: "bin/true" }), "/hooks/prestart/0/path"],
  ["a hook with a timeout of 0", hook("poststart", { path: "/bin/true", timeout: 0 }), "/hooks/poststart/0/timeout"],
  ["an annotation of the wrong type", set("/annotations", { a: 1 }), "/annotations/a"],
  ["an unknown namespace", set("/linux/namespaces", [{ type: "mount" }, { type: "x" }]), "/linux/namespaces/1/type"],
  [
    "the same namespace twice",
    set("/linux/namespaces", [{ type: "mount" }, { type: "mount" }]),
    "/linux/namespaces/1/type",
  ],
  [
    "a namespace whose path is missing",
    set("/linux/namespaces", [{ type: "mount" }, { type: "network", path: "/run/no-ns" }]),
    "/linux/namespaces/1/path",
  ],
  [
    "a user namespace without mappings",
    set("/linux/namespaces", [{ type: "mount" }, { type: "user" }]),
    "/linux/uidMappings",
  ],
  [
    "mappings without a user namespace",
    set("/linux/uidMappings", [{ containerID: 0, hostID: 0, size: 1 }]),
    "/linux/uidMappings",
  ],
  ["masked paths without a mount namespace", set("/linux/namespaces", [{ type: "pid" }]), "/linux/maskedPaths"],
  ["a device of unknown type", set("/linux/devices", [{ path: "/dev/x", type: "x" }]), "/linux/devices/0/type"],
  ["a device without numbers", set("/linux/devices", [{ path: "/dev/x", type: "c" }]), "/linux/devices/0/major"],
  ["a network device that is missing", set("/linux/netDevices", { "no-such0": {} }), "/linux/netDevices/no-such0"],
  ["a sysctl that the kernel has not", set("/linux/sysctl", { "net.no_such": "1" }), "/linux/sysctl/net.no_such"],
  ["a sysctl of the host", set("/linux/sysctl", { "kernel.panic": "1" }), "/linux/sysctl/kernel.panic"],
  ["a relative masked path", set("/linux/maskedPaths", ["proc/kcore"]), "/linux/maskedPaths/0"],
  [
    "memory in which nothing runs",
    set("/linux/resources", { memory: { limit: 65536 } }),
    "/linux/resources/memory/limit",
  ],
  ["a limit of the wrong type", set("/linux/resources", { memory: { limit: "4M" } }), "/linux/resources/memory/limit"],
  ["a quota below the kernel's least", set("/linux/resources", { cpu: { quota: 10 } }), "/linux/resources/cpu/quota"],
  [
    "a controller that nobody has",
    set("/linux/resources", { rdma: { nodev0: { hcaHandles: 1 } } }),
    "/linux/resources/rdma",
  ],
  ["cpus that are no list", set("/linux/resources", { cpu: { cpus: "a-b" } }), "/linux/resources/cpu/cpus"],
  ["an unknown propagation", set("/linux/rootfsPropagation", "x"), "/linux/rootfsPropagation"],
  ["no default action", set("/linux/seccomp", { syscalls: [] }), "/linux/seccomp/defaultAction"],
  ["an unknown action", set("/linux/seccomp", { defaultAction: "SCMP_ACT_X" }), "/linux/seccomp/defaultAction"],
  [
    "an unknown operator",
    set("/linux/seccomp", {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["read"], action: "SCMP_ACT_KILL", args: [{ index: 0, value: 1, op: "X" }] }],
    }),
    "/linux/seccomp/syscalls/0/args/0/op",
  ],
  ["an unknown personality", set("/linux/personality", { domain: "X" }), "/linux/personality/domain"],
  ["intelRdt without resctrl", set("/linux/intelRdt", { closID: "x" }), "/linux/intelRdt"],
  ["a cgroupsPath with a newline", set("/linux/cgroupsPath", "/a\nb"), "/linux/cgroupsPath"],
];

for (const [what, change, at] of ERRORS)
  test(`error: ${what}`, () => {
    const { status, findings } = check(change);
    const errors = findings.filter(({ severity }) => severity === "error").map((finding) => finding.at);
    expect(errors).toContain(at);
    expect(status).toBe(1);
  });

const WARNINGS: readonly (readonly [what: string, change: (config: Config) => void, at: string])[] = [
  ["a program of another architecture", set("/process/args", ["/bin/foreign"]), "/process/args/0"],
  ["no process", set("/process", undefined), "/process"],
  ["a file system that is not loaded", mount({ destination: "/m", type: "nosuchfs", source: "x" }), "/mounts/1/type"],
  [
    "a device without a driver",
    set("/linux/devices", [{ path: "/dev/x", type: "c", major: 499, minor: 1 }]),
    "/linux/devices/0/major",
  ],
  [
    "a system call that nobody knows",
    set("/linux/seccomp", {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["read", "no_such_call"], action: "SCMP_ACT_ERRNO" }],
    }),
    "/linux/seccomp/syscalls/0/names/1",
  ],
  ["very little memory", set("/linux/resources", { memory: { limit: 1 << 20 } }), "/linux/resources/memory/limit"],
  ["one process", set("/linux/resources", { pids: { limit: 1 } }), "/linux/resources/pids/limit"],
  ["a capability that does not exist", set("/process/capabilities/bounding", ["CAP_NO_SUCH"]), "/process/capabilities"],
];

for (const [what, change, at] of WARNINGS)
  test(`warning: ${what}`, () => {
    const { findings } = check(change);
    const warnings = findings.filter(({ severity }) => severity === "warning").map((finding) => finding.at);
    expect(warnings.some((place) => place.startsWith(at))).toBe(true);
  });

test("a good bundle has no findings, and status 0, with --strict too", () => {
  expect(check(() => undefined)).toMatchObject({ status: 0, findings: [] });
  expect(check(() => undefined, "--strict")).toMatchObject({ status: 0, findings: [] });
});

test("warnings alone are status 0, and 2 with --strict", () => {
  const change = set("/linux/resources", { memory: { limit: 1 << 20 } });
  expect(check(change).status).toBe(0);
  expect(check(change, "--strict").status).toBe(2);
});

test("what is wrong in several places is told at once", () => {
  const { findings } = check((config) => {
    hook("createRuntime", { path: "/no/such" })(config);
    set("/process/args", ["none"])(config);
    set("/linux/sysctl", { "net.no_such": "1" })(config);
  });
  const places = findings.map(({ at }) => at);
  expect(places).toContain("/hooks/createRuntime/0/path");
  expect(places).toContain("/process/args/0");
  expect(places).toContain("/linux/sysctl/net.no_such");
});

for (const [what, text] of [
  ["no JSON", "{"],
  ["empty", ""],
  ["an array", "[]"],
] as const)
  test(`config.json that is ${what} is one error`, () => {
    const { status, findings } = checkText(text);
    expect(status).toBe(1);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.severity).toBe("error");
  });

test("as text, a line has severity, pointer, message and hint", () => {
  check(hook("createRuntime", { path: "/no/such" }));
  const { stdout } = spawnSync(TSRUNC, ["check", directory], { encoding: "utf8" });
  expect(stdout).toBe("error: /hooks/createRuntime/0/path: hook `/no/such` does not exist (ENOENT)\n");
});

test("nothing is made by it", () => {
  const root = path.join(directory, "state");
  const { status } = spawnSync(TSRUNC, ["--root", root, "check", directory]);
  expect(status).not.toBe(null);
  expect(() => execFileSync("ls", [root], { stdio: "ignore" })).toThrow();
});
