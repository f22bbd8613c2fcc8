/**
 * A container that is made in the pid namespace of another one, as pods with a shared process namespace are: nobody in there
 * sees anything of the host in any phase of its life, nor of what is run on the way.
 */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { startCommand, until } from "../../conformance/lib/runtime.ts";
import {
  DEVPTS,
  type Hook,
  type HookKind,
  type Process,
  type Spec,
  setNamespace,
  USUAL_CAPABILITIES,
  useUserNamespace,
} from "../../conformance/lib/spec.ts";
import { receiverProgram } from "../../conformance/lib/workspace.ts";
import { ATTACKERS, type Attacker, type Host, ROUNDS, Watch } from "./lib/observer.ts";

area();

const FILTER = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["reboot", "swapon"], action: "SCMP_ACT_ERRNO" }],
};
const HOOKS: readonly HookKind[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

/** Of the host, but for the one that the container runs itself. It takes long enough to be looked at. */
function hook(kind: HookKind): Hook {
  return { path: "/bin/sh", args: ["sh", "-c", `sleep 0.03; exit ${kind === "poststop" ? 1 : 0}`] };
}

interface Kind {
  readonly process?: Partial<Process>;
  readonly patch?: (spec: Spec, container: Container) => void;
  /** Both containers are in a user namespace, the second one in that of the first. */
  readonly users?: boolean;
  readonly life: (host: Host, c: Container) => Promise<void>;
  /** No process of it is ever in the namespace. */
  readonly unseen?: boolean;
}

async function run(host: Host, c: Container): Promise<void> {
  await host.call(["run", "--bundle", c.bundle, c.id]);
}

async function createAndStart(host: Host, c: Container): Promise<void> {
  await host.must(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
  await host.must(["update", "--pids-limit", "100", c.id]);
  await host.must(["pause", c.id]);
  await host.must(["resume", c.id]);
  await host.must(["start", c.id]);
  await host.call(["kill", c.id, "KILL"]);
  await host.must(["delete", "--force", c.id]);
}

async function createAndDelete(host: Host, c: Container): Promise<void> {
  await host.must(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
  await host.must(["delete", "--force", c.id]);
}

async function fail(host: Host, c: Container): Promise<void> {
  const result = await host.call(["run", "--bundle", c.bundle, c.id]);
  expect(result.code).not.toBe(0);
}

const KINDS: Readonly<Record<string, Kind>> = {
  "is run": { life: run },
  "is created, updated, paused, started and killed": { life: createAndStart },
  "is created and never started": { life: createAndDelete },
  "has a user": { life: createAndStart, process: { user: { uid: 1000, gid: 1000, additionalGids: [29] } } },
  "has noNewPrivileges": { life: createAndStart, process: { noNewPrivileges: true } },
  "has a filter": { life: createAndStart, patch: filtered },
  "has a filter, noNewPrivileges and a user": {
    life: run,
    patch: filtered,
    process: { noNewPrivileges: true, user: { uid: 1000, gid: 1000 } },
  },
  "has a scheduler": { life: run, process: { scheduler: { policy: "SCHED_BATCH", nice: 1 } } },
  "has a terminal": { life: runWithTerminal, patch: withTerminal },
  "has hooks of every kind": {
    life: createAndStart,
    patch: (spec) => {
      spec.hooks = Object.fromEntries(HOOKS.map((kind) => [kind, [hook(kind)]]));
    },
  },
  "has a hook that fails": {
    life: fail,
    unseen: true,
    patch: (spec) => {
      spec.hooks = { createContainer: [hook("createContainer"), hook("poststop")] };
    },
  },
  "has a mount that fails": {
    life: fail,
    unseen: true,
    patch: (spec) => {
      spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=nothing"] });
    },
  },
  "has no such program": { life: fail, unseen: true, process: { args: ["/bin/nothing"] } },
  "has time and mounts of its own": {
    life: run,
    patch: (spec) => {
      setNamespace(spec, "time");
      spec.linux.timeOffsets = { boottime: { secs: 1000 } };
      spec.linux.maskedPaths = ["/proc/kcore", "/proc/timer_list"];
      spec.linux.readonlyPaths = ["/proc/sys"];
    },
  },
  "is in a user namespace with it": { life: createAndStart, users: true },
};

function filtered(spec: Spec): void {
  spec.linux.seccomp = FILTER;
}

function withTerminal(spec: Spec): void {
  spec.process.terminal = true;
  spec.mounts.push(DEVPTS);
}

async function runWithTerminal(host: Host, c: Container): Promise<void> {
  const socket = c.file("console");
  const receiver = startCommand([receiverProgram(), socket], {});
  await until("the socket", () => existsSync(socket));
  await host.must(["create", "--bundle", c.bundle, "--console-socket", socket, c.id], { stdout: c.outputFile });
  await host.must(["start", c.id]);
  await host.must(["delete", "--force", c.id]);
  receiver.child.kill("SIGKILL");
}

function second(t: Scope, watch: Watch, pid: number, kind: Kind, target: Spec): Container {
  return t.container((spec, self) => {
    Object.assign(spec, structuredClone(target));
    if (kind.users === true) setNamespace(spec, "user", `/proc/${pid}/ns/user`);
    setNamespace(spec, "pid", `/proc/${pid}/ns/pid`);
    kind.patch?.(spec, self);
    t.cleanup(async () => {
      await watch.host.call(["delete", "--force", self.id]);
    });
  });
}

function targetOf(kind: Kind, base: Spec): Spec {
  const little = [...USUAL_CAPABILITIES];
  const capabilities = { bounding: little, effective: little, permitted: little };
  base.process = { ...base.process, capabilities, args: ["/bin/sleep", "0.02"], ...kind.process };
  return base;
}

for (const attacker of Object.keys(ATTACKERS) as Attacker[])
  for (const [name, kind] of Object.entries(KINDS))
    check(`a container that joins a pid namespace and ${name} shows nothing of the host to ${attacker}`, async (t) => {
      const target = targetOf(kind, t.container().spec);
      const watch = await Watch.begin(t, attacker, target, (spec) => {
        if (kind.users === true) useUserNamespace(spec);
      });
      const pid = await watch.host.pid(watch.container.id);
      for (let round = 0; round < ROUNDS; round++) {
        const c = second(t, watch, pid, kind, target);
        c.save();
        await kind.life(watch.host, c);
        await c.dispose();
      }
      const findings = await watch.end();
      expect(findings.processes > 0).toBe(kind.unseen !== true);
      expect(findings.holes).toEqual([]);
    });
