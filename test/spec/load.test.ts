import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatError } from "../../src/errors.ts";
import { defaultSpec } from "../../src/spec/defaults.ts";
import { loadProcess, loadResources, loadSpec, parseSpec } from "../../src/spec/load.ts";
import { validateHost } from "../../src/spec/validate.ts";
import type { Edits } from "./edit.ts";
import { editedText } from "./edit.ts";

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return formatError(error);
  }
  return "no error";
}

function parse(edits: Edits) {
  return parseSpec(editedText(edits), "config.json");
}

test("loadSpec reads config.json of a bundle and keeps its text", () => {
  const bundle = mkdtempSync(join(tmpdir(), "tsrunc-load-"));
  try {
    const text = JSON.stringify(defaultSpec());
    writeFileSync(join(bundle, "config.json"), text);
    const loaded = loadSpec(bundle);
    expect(loaded).toEqual({ spec: defaultSpec(), text, file: join(bundle, "config.json"), warnings: [] });
  } finally {
    rmSync(bundle, { recursive: true });
  }
});

test("a bundle without config.json gets a hint", () => {
  expect(message(() => loadSpec("/nonexistent/b"))).toBe(
    "open `/nonexistent/b/config.json`: no such file or directory (ENOENT); " +
      "hint: give the bundle's directory with `--bundle`, or make a config.json with `tsrunc spec`",
  );
  expect(message(() => loadSpec("/proc/self/status"))).toBe(
    "open `/proc/self/status/config.json`: not a directory (ENOTDIR)",
  );
});

test("64-bit integers arrive exactly, smaller ones as numbers", () => {
  const { spec } = parse({
    "/process/rlimits/0": { type: "RLIMIT_NOFILE", hard: 18446744073709551615n, soft: 18446744073709551614n },
    "/linux/resources/memory": { limit: 9223372036854771712n, swap: -1 },
    "/linux/resources/hugepageLimits": [{ pageSize: "2MB", limit: 9007199254740993n }],
    "/linux/seccomp": {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        {
          names: ["personality"],
          action: "SCMP_ACT_ERRNO",
          args: [{ index: 0, value: 18446744073709551615n, valueTwo: 4294967295, op: "SCMP_CMP_MASKED_EQ" }],
        },
      ],
    },
    "/linux/namespaces/5": { type: "time" },
    "/linux/timeOffsets": { monotonic: { secs: -9223372036854775808n, nanosecs: 1 } },
    "/process/scheduler": { policy: "SCHED_DEADLINE", runtime: 9223372036854775807n, deadline: 9223372036854775808n },
  });
  expect(spec.process?.rlimits).toEqual([
    { type: "RLIMIT_NOFILE", hard: 18446744073709551615n, soft: 18446744073709551614n },
  ]);
  expect(spec.linux?.resources?.memory).toEqual({ limit: 9223372036854771712n, swap: -1 });
  expect(spec.linux?.resources?.hugepageLimits?.[0]?.limit).toBe(9007199254740993n);
  expect(spec.linux?.seccomp?.syscalls?.[0]?.args?.[0]).toMatchObject({
    value: 18446744073709551615n,
    valueTwo: 4294967295,
  });
  expect(spec.linux?.timeOffsets?.monotonic?.secs).toBe(-9223372036854775808n);
  expect(spec.process?.scheduler?.deadline).toBe(9223372036854775808n);
});

test("an unknown field is ignored, wherever it is", () => {
  const edits: Edits = {
    "/futureField": { a: [1] },
    "/linux/futureField": 1,
    "/process/user/futureField": "x",
    "/hooks/futureHook": 5,
    "/mounts/0/futureField": [],
    "/windows": { layerFolders: 3 },
    "/vm": { kernel: {} },
    "/linux/intelRdt": { enableCMT: true },
  };
  expect(parse(edits).warnings).toEqual([]);
});

test("a field whose name differs from a known one in case is named", () => {
  const said = (edits: Edits) => parse(edits).warnings;
  expect(said({ "/linux/resources/hugepageLimits": [{ pageSize: "2MB", pagesize: "1GB", limit: 0 }] })).toEqual([
    "/linux/resources/hugepageLimits/0/pagesize: ignored, since names count by their case: " +
      "found `pagesize`, meant `pageSize`?",
  ]);
  const maps: Edits = { "/linux/netDevices": { Name: { NAME: "x" } }, "/annotations": { Linux: "x" } };
  expect(said({ ...maps, "/hostName": "x" }).map((text) => text.split(":")[0])).toEqual([
    "/linux/netDevices/Name/NAME",
    "/hostName",
  ]);
  // not ours to judge: other platforms, and what is no name of the specification
  expect(said({ "/windows": { LayerFolders: 3 }, "/linux/sysctl": {}, "/constructor": 1, "/toString": 1 })).toEqual([]);
});

test("an error for want of a field says by what other name it is there", () => {
  const limit = { "/linux/resources/hugepageLimits": [{ pagesize: "2MB", limit: 0 }] };
  expect(message(() => parse(limit))).toBe(
    "`config.json` is wrong in 1 place: /linux/resources/hugepageLimits/0/pageSize: is required, but missing " +
      "(found `pagesize`, meant `pageSize`?)",
  );
  expect(message(() => parse({ "/process/args": undefined, "/process/Args": ["sh"] }))).toContain(
    "/process/args: is required, but missing (found `Args`, meant `args`?)",
  );
  expect(loadResources('{"pids":{"Limit":5}}', "-").warnings).toHaveLength(1);
  expect(loadProcess('{"args":["ls"],"cwd":"/","nonewprivileges":true}', "p").warnings).toHaveLength(1);
});

test("null counts as absent, except in a list", () => {
  const { spec } = parse({
    "/hostname": null,
    "/linux/resources/memory": { limit: null },
    "/process/capabilities": null,
  });
  expect(spec.hostname).toBeUndefined();
  expect(spec.linux?.resources?.memory).toEqual({});
  expect("capabilities" in (spec.process ?? {})).toBe(false);
  expect(message(() => parse({ "/process/env/0": null }))).toContain("/process/env/0: expected a string, found `null`");
});

test("process may be absent until the container is started", () => {
  const text = editedText({ "/process": undefined });
  expect(parseSpec(text, "x").spec.process).toBeUndefined();
  expect(message(() => parseSpec(text, "x", { requireProcess: true }))).toContain("/process: is required to start");
});

test("a process without user runs as root of the container", () => {
  expect(parse({ "/process/user": undefined }).spec.process?.user).toEqual({ uid: 0, gid: 0 });
});

test("NUL is allowed where it does not reach the kernel", () => {
  expect(parse({ "/annotations": { a: "x\0y" } }).spec.annotations).toEqual({ a: "x\0y" });
  // an escaped backslash before u0000 is no NUL
  expect(parse({ "/process/args/0": "\\u0000" }).spec.process?.args).toEqual(["\\u0000"]);
});

const WARNINGS: readonly (readonly [edits: Edits, warning: string])[] = [
  [
    { "/process/capabilities/bounding": ["CAP_FOO", "cap_kill", "CHOWN"] },
    '/process/capabilities/bounding/0: unknown capability `"CAP_FOO"` is ignored',
  ],
  [
    { "/process/capabilities/bounding": ["CAP_KILL", "KILL"] },
    '/process/capabilities/bounding/1: unknown capability `"KILL"` is ignored (did you mean `CAP_KILL`?)',
  ],
  [
    { "/process/capabilities/effective": ["CAP_CHOWN"] },
    "/process/capabilities/effective: can't raise effective capability CAP_CHOWN: not granted without being in permitted too",
  ],
  [
    { "/process/capabilities/ambient": ["CAP_KILL"], "/process/capabilities/inheritable": [] },
    "/process/capabilities/ambient: can't raise ambient capability CAP_KILL: not granted without being in permitted and inheritable too",
  ],
  [
    { "/mounts/0/destination": "proc" },
    '/mounts/0/destination: relative destination `"proc"` is deprecated and taken as `/proc`',
  ],
  [
    {
      "/linux/namespaces/5": { type: "user", path: "/proc/1/ns/user" },
      "/linux/uidMappings": [{ containerID: 0, hostID: 0, size: 1 }],
    },
    "/linux/uidMappings: ignored: the `user` namespace that is joined has mappings of its own",
  ],
];

for (const [edits, warning] of WARNINGS) {
  test(`warning: ${warning}`, () => {
    expect(parse(edits).warnings).toContain(warning);
  });
}

const GOOD: readonly (readonly [name: string, edits: Edits])[] = [
  ["older and newer 1.x versions", { "/ociVersion": "1.0.2-dev" }],
  ["a newer minor version", { "/ociVersion": "1.99.0" }],
  [
    "sysctls with either separator",
    { "/linux/sysctl": { "net/ipv4/conf/eno2.100/rp_filter": "1", "net.core.somaxconn": "1" } },
  ],
  [
    "ipc and uts sysctls",
    { "/linux/sysctl": { "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "9", "kernel.domainname": "d" } },
  ],
  ["a template for a device name", { "/linux/netDevices": { eth0: { name: "c%d" }, eth1: { name: "c%d" } } }],
  [
    "terminal size that is not used",
    { "/process/terminal": false, "/process/consoleSize": { height: 99999, width: 1 } },
  ],
  [
    "idmap with the container's mapping",
    {
      "/mounts/1/options/0": "idmap",
      "/linux/namespaces/5": { type: "user" },
      "/linux/uidMappings": [{ containerID: 0, hostID: 5, size: 1 }],
      "/linux/gidMappings": [{ containerID: 0, hostID: 5, size: 1 }],
    },
  ],
  ["systemd's form of cgroupsPath", { "/linux/cgroupsPath": "system.slice:docker:abc" }],
  [
    "the same device twice",
    {
      "/linux/devices": [
        { path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 8630 },
        { path: "/dev/x", type: "u", major: 1, minor: 3 },
      ],
    },
  ],
  ["a FIFO without numbers", { "/linux/devices": [{ path: "/fifo", type: "p" }] }],
  ["pids limit 0", { "/linux/resources/pids": { limit: 0 } }],
  ["unlimited memory", { "/linux/resources/memory": { limit: -1, swap: -1 } }],
  ["no limit of swap", { "/linux/resources/memory": { limit: 9223372036854771712n, swap: 0 } }],
  ["ambient as runc 1.1 has it", { "/process/capabilities/ambient": ["CAP_KILL"] }],
  ["deadline scheduling", { "/process/scheduler": { policy: "SCHED_DEADLINE", runtime: 1, deadline: 2, period: 0 } }],
  ["recursive propagation", { "/linux/rootfsPropagation": "rslave" }],
  ["root class of service", { "/linux/intelRdt": { closID: "/", schemata: ["L3:0=f", "MB:0=20"] } }],
];

for (const [name, edits] of GOOD) {
  test(`accepted without a warning: ${name}`, () => {
    expect(parse(edits).warnings).toEqual([]);
  });
}

test("loadProcess: pointers start at the process", () => {
  const text = JSON.stringify({ ...defaultSpec().process, cwd: "x" });
  expect(message(() => loadProcess(text, "p.json"))).toBe(
    '`p.json` is wrong in 1 place: /cwd: expected an absolute path, found `"x"`',
  );
  expect(loadProcess('{"args":["ls"],"cwd":"/"}', "p.json")).toEqual({
    process: { args: ["ls"], cwd: "/", user: { uid: 0, gid: 0 } },
    warnings: [],
  });
});

test("loadResources: pointers start at the resources, and a swap limit may come alone", () => {
  expect(loadResources('{"memory":{"swap":1234}}', "-").resources).toEqual({ memory: { swap: 1234 } });
  expect(message(() => loadResources('{"pids":{"limit":-5},"cpu":{"quota":"1"}}', "-"))).toContain(
    "/cpu/quota: expected",
  );
  expect(message(() => loadResources('{"pids":{"limit":-5}}', "-"))).toContain("/pids/limit: expected -1");
});

for (const [name, type, file] of [
  ["net.core.somaxconn", "network", "net"],
  ["kernel.msgmax", "ipc", "ipc"],
  ["fs/mqueue/msg_max", "ipc", "ipc"],
  ["kernel.domainname", "uts", "uts"],
  ["user.max_pid_namespaces", "user", "user"],
] as const) {
  test(`validateHost refuses ${name} in the host's ${type} namespace, joined by its path`, () => {
    const joining = (path: string) => {
      const namespaces = [{ type: "mount" }, { type, path }];
      const { spec } = parse({ "/hostname": "", "/linux/sysctl": { [name]: "1" }, "/linux/namespaces": namespaces });
      return validateHost(spec).problems;
    };
    expect(joining(`/proc/self/ns/${file}`)).toEqual([
      {
        at: `/linux/sysctl/${name.replaceAll("/", "~1")}`,
        message: `\`/proc/self/ns/${file}\` is the host's own \`${type}\` namespace: setting it would change the host`,
      },
    ]);
    expect(joining("/proc/self/ns/mnt")).toEqual([]); // another one, and none at all
    expect(joining("/nonexistent")).toEqual([]);
  });
}
