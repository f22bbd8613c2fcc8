/** The same for containers of other kinds: what they alone have ops for. Root only. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { type Config, config, DIRECTORY, removeAll } from "./lib/bundle.ts";
import { casesOf, failureProblems, type Judge, killedProblems, type Subject, subjectPlan, sweep } from "./lib/sweep.ts";

/** Both are taken to be listened on by somebody who reads and says nothing. */
const AGENT = path.join(DIRECTORY, "agent.sock");
const PIDFD = path.join(DIRECTORY, "pidfd.sock");
const listeners: { stop(): void }[] = [];

setDefaultTimeout(300_000);
beforeAll(() => {
  mkdirSync(DIRECTORY, { recursive: true });
  execFileSync("mount", ["--bind", DIRECTORY, DIRECTORY]);
  execFileSync("mount", ["--make-shared", DIRECTORY]);
  for (const unix of [AGENT, PIDFD]) listeners.push(Bun.listen({ unix, socket: { data: () => undefined } }));
});
afterAll(() => {
  for (const listener of listeners) listener.stop();
  execFileSync("umount", ["-R", "-l", DIRECTORY]);
  removeAll();
});

const judge: Judge = async (at, outcome, id) =>
  at.list === "launcher" && at.error === "KILL"
    ? await killedProblems(outcome, id)
    : await failureProblems(at, outcome, id);

/** User namespace, terminal, seccomp agent, pidfd socket; the sources of mounts come from the launcher. */
function mapped(id: string): Config {
  const base = config(id, "exit 0");
  const linux = base.linux as Config;
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const types = ["user", "pid", "mount", "ipc", "uts", "network", "cgroup", "time"];
  return {
    ...base,
    process: { ...(base.process as Config), terminal: true, consoleSize: { height: 25, width: 80 }, cwd: "/" },
    hooks: {},
    linux: {
      ...linux,
      namespaces: types.map((type) => ({ type })),
      uidMappings: ids,
      gidMappings: ids,
      timeOffsets: { monotonic: { secs: 100 } },
      devices: [{ path: "/dev/own", type: "c", major: 1, minor: 3 }],
      sysctl: {},
      rootfsPropagation: "rslave",
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: AGENT,
        syscalls: [{ names: ["kexec_load"], action: "SCMP_ACT_NOTIFY" }],
      },
    },
  };
}

/** Without a mount namespace all mounts are the host's, and somebody has to take them away. */
function exposed(id: string): Config {
  const base = config(id, "exit 0");
  const linux = base.linux as Config;
  const namespaces = [{ type: "pid" }, { type: "uts" }, { type: "network", path: `/proc/${process.pid}/ns/net` }];
  const { rootfsPropagation: _, ...rest } = linux;
  return {
    ...base,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/data", type: "bind", source: path.join(DIRECTORY, "data"), options: ["rbind"] },
    ],
    linux: { ...rest, namespaces, maskedPaths: [], readonlyPaths: [], sysctl: {} },
  };
}

/** Below a shared mount, with a bind that is shared with the host, in which more is mounted: the host sees none of it. */
function shared(id: string): Config {
  const base = config(id, "exit 0");
  const bind = {
    destination: "/data",
    type: "bind",
    source: path.join(DIRECTORY, "data"),
    options: ["rbind", "rshared"],
  };
  const more = ["/data/in", "/in"].map((destination) => ({ destination, type: "tmpfs", source: `of-${id}` }));
  const { maskedPaths: _, ...linux } = base.linux as Config;
  return {
    ...base,
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }, bind, ...more],
    hooks: {},
    linux: { ...linux, rootfsPropagation: "slave", maskedPaths: ["/data/in"] },
  };
}

const SUBJECTS: readonly (readonly [Subject, readonly string[], string])[] = [
  [{ name: "mapped", verb: "run", config: mapped, flags: ["--pidfd-socket", PIDFD] }, ["EIO"], "seccompListener"],
  [{ name: "shared", verb: "run", config: shared }, ["EIO", "KILL"], "clone"],
  [{ name: "exposed", verb: "run", config: exposed }, ["KILL"], "unmount"],
];

test.each(SUBJECTS.map(([subject, errors, op]) => ({ subject, errors, op, name: subject.name })))(
  "$name: any op",
  async ({ subject, errors, op }) => {
    const plan = await subjectPlan(subject);
    expect([...plan.launcher, ...plan.cleanup].map((o) => o.op)).toContain(op);
    const final = plan.init.findLastIndex((o) => o.op === "await");
    const cases = casesOf(plan, ["launcher", "init"], errors).filter(
      (at) => subject.verb === "run" || at.list === "launcher" || at.index < final,
    );
    expect(await sweep(subject, cases, judge)).toEqual([]);
  },
);
