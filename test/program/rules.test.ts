/** Single rules of the compiler. */
import { expect, test } from "bun:test";
import { compileCreate } from "../../src/program/compile.ts";
import { candidates, capabilityMask } from "../../src/program/compile-process.ts";
import { bitmap } from "../../src/program/compile-scheduling.ts";
import type { HostFacts } from "../../src/program/input.ts";
import { literal, type Op, type OpName, type OpOf, PID, TOKENS } from "../../src/program/ops.ts";
import { parseList } from "../../src/spec/lists.ts";
import type { Linux, NamespaceType, Process } from "../../src/spec/types.ts";
import { compileInput, hostFacts, small, V2 } from "./programs.ts";

function process(changes: Partial<Process>): Process {
  return { user: { uid: 0, gid: 0 }, args: ["sh"], cwd: "/", ...changes };
}

function initOps(linux: Partial<Linux>, changes: Partial<Process> = {}, facts = hostFacts(V2)): readonly Op[] {
  return compileCreate(compileInput(small(["mount"], linux, changes), { facts })).init;
}

function find<N extends OpName>(ops: readonly Op[], name: N): OpOf<N>[] {
  return ops.filter((op): op is Extract<Op, { op: N }> => op.op === name) as OpOf<N>[];
}

test.each([
  ["kernel.shmmax", "kernel/shmmax"],
  ["net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"],
  ["net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"],
  ["fs/mqueue/msg_max", "fs/mqueue/msg_max"],
])("sysctl %s is /proc/sys/%s", (name, path) => {
  const [op] = find(initOps({ sysctl: { [name]: "1" } }), "sysctl");
  expect(op).toMatchObject({ path, value: "1", at: `/linux/sysctl/${name.replaceAll("/", "~1")}` });
});

test("where a program is looked for", () => {
  const path = (value?: string) => candidates(process(value === undefined ? {} : { env: [`PATH=${value}`] }));
  expect(path("/bin:/usr/bin/")).toEqual(["/bin/sh", "/usr/bin/sh"]);
  expect(path("/a::b:/")).toEqual(["/a/sh", "./sh", "b/sh", "/sh"]);
  const usual = ["/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh", "/sbin/sh", "/bin/sh"];
  expect(path()).toEqual(usual);
  expect(path("")).toEqual(usual);
  expect(candidates(process({ args: ["./sh"], env: ["PATH=/bin"] }))).toEqual(["./sh"]);
  expect(candidates(process({ env: ["PATH=/a", "XPATH=/b", "PATH=/c"] }))).toEqual(["/c/sh"]);
});

test("capabilities as bits", () => {
  expect(capabilityMask(undefined)).toBe(0n);
  expect(capabilityMask(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHOWN"])).toBe(1n | (1n << 21n));
  expect(capabilityMask(["CAP_CHECKPOINT_RESTORE"])).toBe(1n << 40n);
});

test("no capability is asked for that this process cannot pass on", () => {
  const capabilities = {
    bounding: ["CAP_CHOWN", "CAP_SYS_BOOT"],
    effective: ["CAP_SYS_BOOT"],
    permitted: ["CAP_SYS_BOOT"],
  };
  const ops = initOps({}, { capabilities }, hostFacts(V2, { boundingSet: 1n }));
  expect(find(ops, "boundingSet")[0]?.mask).toBe(1n);
  expect(find(ops, "capabilities")[0]).toMatchObject({ effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n });
});

test("text of the user's that looks like a marker stands for itself", () => {
  expect(literal("plain")).toBe("plain");
  expect(literal(`a${PID}\u0001`)).toBe("a\u0001\u0001p\u0001\u0001");
  const [exec] = find(initOps({}, { env: [`A=${PID}`] }), "prepareExec");
  expect(exec?.env).toEqual(["A=\u0001\u0001p"]);
});

test("bit masks are whole longs, lowest first", () => {
  expect([...bitmap([])]).toEqual([]);
  expect([...bitmap([0, 9])]).toEqual([1, 2, 0, 0, 0, 0, 0, 0]);
  expect(bitmap([64])).toHaveLength(16);
  expect(bitmap(parseList("0-65535"))).toEqual(new Uint8Array(8192).fill(255));
  expect(parseList("5-9, 7,0-2,,1-6")).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(bitmap([64])[8]).toBe(1);
});

test("-1 is no limit, also for those given as unsigned", () => {
  const rlimits = [{ type: "RLIMIT_CORE", soft: -1, hard: 18446744073709551615n }];
  const [limit] = find(initOps({}, { rlimits: rlimits as never }), "rlimit");
  expect(limit).toMatchObject({ resource: 4, soft: (1n << 64n) - 1n, hard: (1n << 64n) - 1n });
});

test.each<[string, Partial<Linux>, string]>([
  ["masked paths", { maskedPaths: ["/proc/kcore"] }, "/linux/maskedPaths"],
  ["read-only paths", { readonlyPaths: ["/proc/sys"] }, "/linux/readonlyPaths"],
])("%s need a mount namespace", (_, linux, at) => {
  const compile = () => compileCreate(compileInput(small(["pid"], linux)));
  expect(compile).toThrow(expect.objectContaining({ code: "config", at }));
});

test("HOME is looked up only where the config has none", () => {
  expect(find(initOps({}, { env: [] }), "home")).toHaveLength(1);
  expect(find(initOps({}, { env: ["HOME="] }), "home")).toHaveLength(1);
  expect(find(initOps({}, { env: ["HOME=/x"] }), "home")).toHaveLength(0);
});

test("a destination may be written as the host sees it", () => {
  const mounts = [{ destination: "/bundle/rootfs/m", type: "tmpfs" }];
  const { init } = compileCreate(compileInput({ ...small(["mount"]), mounts }));
  expect(find(init, "mount").map(({ dest }) => dest)).toEqual(["/m"]);
});

test("the launcher clones a tree when init has come to its bind, for earlier mounts may be in it", () => {
  const mounts = ["/a", "/b"].map((destination) => ({ destination, type: "bind", source: destination }));
  const spec = small(["mount", "user"]);
  const { init, launcher } = compileCreate(compileInput({ ...spec, mounts }));
  const tree = init.findIndex((op) => op.op === "bind");
  expect(init[tree - 1]).toEqual({ op: "post", token: TOKENS.tree });
  const clone = launcher.findIndex((op) => op.op === "sendTree");
  expect(launcher[clone - 1]).toEqual({ op: "await", token: TOKENS.tree });
  expect(find(init, "bind")).toHaveLength(2);
  expect(find(launcher, "sendTree")).toHaveLength(2);
});

test("paths that are listed twice are covered once", () => {
  const init = initOps({ maskedPaths: ["/a", "/b", "/a"], readonlyPaths: ["/c", "/c"] });
  expect(find(init, "mask").map(({ dest }) => dest)).toEqual(["/a", "/b"]);
  expect(find(init, "readonly")).toHaveLength(1);
});

test("mountLabel is the context of new file systems, and an error without SELinux", () => {
  const mounts = [
    { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1m"] },
    { destination: "/old", type: "tmpfs", source: "tmpfs", options: ["silent", "size=1m"] },
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/data", source: "/srv", options: ["bind"] },
  ];
  const mountLabel = "system_u:object_r:container_file_t:s0:c1,c2";
  const spec = { ...small(["mount"], { mountLabel, maskedPaths: ["/proc/acpi"] }), mounts };
  const compiled = (lsm: readonly string[]) =>
    compileCreate(compileInput(spec, { facts: hostFacts(V2, { lsm }) })).init;
  expect(() => compiled(["apparmor"])).toThrow(expect.objectContaining({ at: "/linux/mountLabel" }));
  const ops = compiled(["selinux"]);
  expect(find(ops, "mount").map(({ dest, params }) => [dest, params])).toEqual([
    ["/tmp", ["size=1m", `context=${mountLabel}`]],
    ["/old", [`size=1m,context="${mountLabel}"`]],
    ["/proc", []],
  ]);
  expect(find(ops, "mask")[0]?.context).toBe(mountLabel);
});

test("an unknown security module is refused before anything is made", () => {
  expect(() => initOps({}, { apparmorProfile: "p" })).toThrow(
    expect.objectContaining({ at: "/process/apparmorProfile" }),
  );
  const ops = initOps({}, { apparmorProfile: "p" }, hostFacts(V2, { lsm: ["apparmor"] }));
  expect(find(ops, "procSelf").map((op) => [op.file, op.orElse ?? false])).toEqual([
    ["attr/apparmor/exec", true],
    ["attr/exec", false],
  ]);
});

test.each<[string, Parameters<typeof hostFacts>[1], string]>([
  ["a user other than root", { euid: 1000 }, "rootless"],
  ["root of a user namespace", { inUserNamespace: true }, "rootless"],
  ["the host's network namespace", { ownNetwork: true }, "other than the host's"],
])("network devices are refused to %s", (_, facts, text) => {
  const spec = small(["network"], { netDevices: { eth0: {} } });
  const compile = () => compileCreate(compileInput(spec, { facts: hostFacts(V2, facts) }));
  expect(compile).toThrow(expect.objectContaining({ at: "/linux/netDevices", message: expect.stringContaining(text) }));
});

test("a container without network devices opens no socket for them", () => {
  const { launcher, cleanup } = compileCreate(compileInput(small(["network"], { netDevices: {} })));
  expect([...launcher, ...cleanup].filter(({ op }) => op.startsWith("net"))).toEqual([]);
});

test.each<[string, Partial<HostFacts>, readonly NamespaceType[], number]>([
  ["the host's root", {}, ["mount"], 0],
  ["a user without privileges", { euid: 1000 }, ["mount"], 1],
  ["root of a rootless engine's user namespace", { inUserNamespace: true }, ["mount"], 1],
  ["root of that, with a cgroup namespace", { inUserNamespace: true }, ["mount", "cgroup"], 0],
])("CVE-2023-25809: a cgroup mount that is to be writable, by %s", (_, facts, namespaces, readonly) => {
  const spec = {
    ...small(namespaces, {}),
    mounts: [{ destination: "/sys/fs/cgroup", type: "cgroup", options: ["rw"] }],
  };
  const { init } = compileCreate(compileInput(spec, { facts: hostFacts(V2, facts) }));
  const at = (op: Op) => (op.op === "bind" || op.op === "mount") && op.at === "/mounts/0";
  const attributes = init.filter(at).map((op) => (op.op === "bind" ? op.set : op.op === "mount" ? op.attr : -1));
  expect(attributes.length).toBeGreaterThan(0);
  expect(new Set(attributes)).toEqual(new Set([readonly]));
});
