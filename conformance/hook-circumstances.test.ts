/** What hooks find when they begin: the same for every kind, in whatever verb and phase, and whoever calls. */
import { chmodSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, type Scope } from "./lib/harness.ts";
import { isTsrunc } from "./lib/host.ts";
import { ProbeResult, type Report } from "./lib/probe.ts";
import { type Result, runtime } from "./lib/runtime.ts";
import { dropNamespace, type Hook, type HookKind } from "./lib/spec.ts";

area();

const RUNTIME_KINDS = ["prestart", "createRuntime", "poststart", "poststop"] as const;
const KINDS: readonly HookKind[] = [...RUNTIME_KINDS, "createContainer", "startContainer"];

/** The host's path for hooks that have the host's root. */
function logOf(c: Container, kind: HookKind): string {
  return kind === "startContainer" ? `/log-${kind}` : c.inside(`log-${kind}`);
}

/** A hook that reports about itself, with the environment that it inherits. */
function reporter(c: Container, kind: HookKind): Hook {
  const probe = kind === "startContainer" ? "/bin/probe" : c.inside("bin/probe");
  const text = `cat >/dev/null; exec '${probe}' report >'${logOf(c, kind)}'`;
  return { path: "/bin/sh", args: ["sh", "-c", text] };
}

function reported(c: Container, kind: HookKind): Report {
  return new ProbeResult(readFileSync(c.inside(`log-${kind}`), "utf8")).report;
}

/** A caller with habits of its own, which are another's for each verb. */
function call(c: Container, verb: string, flags: readonly string[] = []): Promise<Result> {
  const shell = `cd /; umask 027; ulimit -n 333; trap '' HUP PIPE USR1 RTMIN; exec 7</etc/passwd; renice -n 3 -p $$ >/dev/null;`;
  const bundle = /^(create|run)$/.test(verb) ? ["--bundle", c.bundle] : [];
  return runtime([verb, ...bundle, ...flags, c.id], {
    shell,
    wrap: ["env", "--block-signal=TERM", "--block-signal=CHLD"],
    env: { CALLER: verb },
    cwd: "/usr",
    stdout: c.outputFile,
  });
}

const NAMESPACES = ["mnt", "pid", "net", "ipc", "uts", "user"];

function ownNamespaces(): Record<string, string> {
  return Object.fromEntries(NAMESPACES.map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)]));
}

function namespacesIn({ namespaces }: Report): Record<string, string | undefined> {
  return Object.fromEntries(NAMESPACES.map((name) => [name, namespaces[name]]));
}

function ownCapabilities(): string {
  return BigInt(`0x${/^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`).toString(16);
}

/** What is the same for all kinds. runc passes on descriptors of its own, a session, and signals that its caller ignores. */
function expectCommon(report: Report): void {
  expect(report.sigBlocked).toEqual([]);
  expect(report.scheduler).toMatchObject({ policy: 0, nice: 3 });
  expect(report).toMatchObject({ seccomp: 0, pdeathsig: 0, subreaper: 0, personality: 0 });
  if (!isTsrunc()) return;
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
  expect(report.sigIgnored).toEqual([]);
  expect(report.sid).toBe(report.pid);
}

/** Hooks that the runtime runs on the host, in the bundle; `verb`: whose environment they have. */
function expectOnHost(c: Container, kind: HookKind, verb: string): void {
  const report = reported(c, kind);
  expectCommon(report);
  expect(report).toMatchObject({ uids: [0, 0, 0], gids: [0, 0, 0], noNewPrivileges: 0 });
  expect(namespacesIn(report)).toEqual(ownNamespaces());
  expect(report.cgroup.join("\n")).toBe(readFileSync("/proc/self/cgroup", "utf8").trimEnd());
  expect(report.caps.effective).toBe(ownCapabilities());
  expect(report.oomScoreAdj).toEqual([readFileSync("/proc/self/oom_score_adj", "utf8").trim()]);
  expect(report.rlimits.RLIMIT_NOFILE?.[0]).toBe("333");
  // runc 1.1 runs poststart in create, and poststop of a delete where delete is called.
  if (!isTsrunc() && /^post/.test(kind)) return;
  expect(report.cwd).toBe(c.bundle);
  expect(report.env).toContain(`CALLER=${verb}`);
  if (isTsrunc()) expect(report.umask).toBe(0o022);
}

/** Hooks in the container: nothing of the caller's environment. */
function expectInContainer(c: Container, kind: "createContainer" | "startContainer"): void {
  const report = reported(c, kind);
  const own = ownNamespaces();
  expectCommon(report);
  for (const name of NAMESPACES.filter((name) => name !== "user")) expect(report.namespaces[name]).not.toBe(own[name]);
  expect(report.cgroup.join("\n")).toContain(c.id);
  expect(report.oomScoreAdj).toEqual(["77"]);
  expect(report.env.filter((entry) => /^(CALLER|CONFORMANCE)=/.test(entry))).toEqual([c.spec.process.env[1] ?? ""]);
  expect(report.env).toContain("PATH=/bin");
  if (kind === "createContainer") {
    // Before the root is changed.
    expect(report).toMatchObject({ cwd: c.rootfs, uids: [0, 0, 0], noNewPrivileges: 0 });
    if (isTsrunc()) expect(report.umask).toBe(0o022);
  } else {
    expect(report).toMatchObject({ cwd: "/tmp", uids: [1000, 1000, 1000], umask: 0o077, noNewPrivileges: 1 });
    expect(report.rlimits.RLIMIT_NOFILE).toEqual(["100", "200"]);
    expect(report.env).toContain("HOME=/home/app");
  }
}

/** A container all of whose hooks report, `failing` excepted. */
function reporting(t: Scope, failing?: HookKind): Container {
  return t.container((spec, self) => {
    dropNamespace(spec, "cgroup"); // so that the path of the cgroup is seen
    Object.assign(spec.process, { cwd: "/tmp", noNewPrivileges: true, oomScoreAdj: 77, args: ["/bin/sleep", "0.3"] });
    spec.process.user = { uid: 1000, gid: 1000, umask: 0o077 };
    spec.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }];
    spec.hooks = Object.fromEntries(KINDS.map((kind) => [kind, [reporter(self, kind)]]));
    if (failing !== undefined) spec.hooks[failing] = [{ path: "/bin/false" }];
    for (const kind of KINDS) {
      const log = self.inside(`log-${kind}`);
      writeFileSync(log, "");
      chmodSync(log, 0o666); // for a user of the container
    }
  });
}

function expectAll(c: Container, verbs: Readonly<Record<(typeof RUNTIME_KINDS)[number], string>>): void {
  for (const kind of RUNTIME_KINDS) expectOnHost(c, kind, verbs[kind]);
  expectInContainer(c, "createContainer");
  expectInContainer(c, "startContainer");
}

check("hooks of run find what those of the other verbs find", async (t) => {
  const c = reporting(t);
  c.save();
  expect(await call(c, "run")).toMatchObject({ code: 0, stderr: "" });
  expectAll(c, { prestart: "run", createRuntime: "run", poststart: "run", poststop: "run" });
});

check("hooks of a detached run, and of the delete after it", async (t) => {
  const c = reporting(t);
  c.save();
  expect(await call(c, "run", ["--detach"])).toMatchObject({ code: 0 });
  c.known = true;
  await c.waitForStatus("stopped");
  expect(await call(c, "delete")).toMatchObject({ code: 0 });
  c.known = false;
  expectAll(c, { prestart: "run", createRuntime: "run", poststart: "run", poststop: "delete" });
});

check("hooks of create, start and delete", async (t) => {
  const c = reporting(t);
  c.save();
  expect(await call(c, "create")).toMatchObject({ code: 0 });
  c.known = true;
  expect(await call(c, "start")).toMatchObject({ code: 0 });
  expect(await call(c, "delete", ["--force"])).toMatchObject({ code: 0 });
  c.known = false;
  expectAll(c, { prestart: "create", createRuntime: "create", poststart: "start", poststop: "delete" });
});

for (const [verb, failing] of [
  ["create", "createContainer"],
  ["run", "createRuntime"],
  ["run", "poststart"],
] as const)
  check(`poststop hooks of a ${verb} in which ${failing} fails`, async (t) => {
    const c = reporting(t, failing);
    c.save();
    expect((await call(c, verb)).code).not.toBe(0);
    // A create that fails runs no poststop hook under runc before 1.2.
    if (isTsrunc()) expectOnHost(c, "poststop", verb);
    expect(await t.leftNow()).toEqual([]);
  });

check("poststop hooks of a start in which poststart fails", async (t) => {
  const c = reporting(t, "poststart");
  c.save();
  const created = await call(c, "create");
  if (!isTsrunc()) return; // runc 1.1 has run poststart by now
  expect(created).toMatchObject({ code: 0 });
  c.known = true;
  expect((await call(c, "start")).code).not.toBe(0);
  c.known = false;
  expectOnHost(c, "poststop", "start");
});

check("poststop hooks run in / where the bundle is gone", async (t) => {
  const c = t.container((spec) => {
    const log = `/tmp/${spec.process.env[1]?.split("=")[1]}-log`;
    spec.hooks = { poststop: [{ path: "/bin/sh", args: ["sh", "-c", `pwd >'${log}'`] }] };
    t.cleanup(() => rmSync(log, { force: true }));
  });
  await c.create();
  rmSync(c.bundle, { recursive: true });
  expect(await runtime(["delete", "--force", c.id], { cwd: "/usr" })).toMatchObject({ code: 0, stderr: "" });
  c.known = false;
  const log = `/tmp/${c.spec.process.env[1]?.split("=")[1]}-log`;
  expect(readFileSync(log, "utf8")).toBe(isTsrunc() ? "/\n" : "/usr\n");
});
